import CProcessShim
package import GatewayCore

/// What one worker shows of itself.
///
/// The worker in the slot writes, everybody reads.
///
/// `processID`, `generation`, `state` and `startedAt` are the supervisor's, everything else is the worker's.
@safe package struct Slot: Sendable {
    /// Where a worker is in its life: gone → starting → ready → draining → gone.
    package enum State: UInt64, Sendable { case gone, starting, ready, draining }

    /// What a worker knows of a store.
    package enum StoreState: UInt64, Sendable { case unknown, available, unavailable }

    package let number: Int
    // SAFETY: points into the scoreboard's mapping, which lives as long as the process; touched through atomics only.
    private nonisolated(unsafe) let words: UnsafeMutablePointer<UInt64>

    init(number: Int, words: UnsafeMutablePointer<UInt64>) {
        self.number = number
        unsafe self.words = words
    }

    private func load(_ index: Int) -> UInt64 { unsafe aig_load(words + index) }
    private func store(_ index: Int, _ value: UInt64) { unsafe aig_store(words + index, value) }
    private func instant(_ index: Int) -> Instant { Instant(microseconds: Int64(bitPattern: load(index))) }

    /// Client connections open in the worker now; the front gives new ones to the worker with the fewest.
    package var connections: UInt64 {
        get { load(0) }
        nonmutating set { store(0, newValue) }
    }
    package var processID: Int32 {
        get { Int32(truncatingIfNeeded: load(1)) }
        nonmutating set { store(1, UInt64(UInt32(bitPattern: newValue))) }
    }
    /// Which worker of this slot it is.
    package var generation: UInt32 {
        get { UInt32(truncatingIfNeeded: load(2)) }
        nonmutating set { store(2, UInt64(newValue)) }
    }
    package var state: State {
        get { State(rawValue: load(3)) ?? .gone }
        nonmutating set { store(3, newValue.rawValue) }
    }
    /// Version of the `ConfigSnapshot` the worker serves from; 0: none yet.
    package var snapshotVersion: UInt64 {
        get { load(4) }
        nonmutating set { store(4, newValue) }
    }
    package var redisState: StoreState {
        get { StoreState(rawValue: load(5)) ?? .unknown }
        nonmutating set { store(5, newValue.rawValue) }
    }
    /// Since when Redis is in `redisState`.
    package var redisSince: Instant {
        get { instant(6) }
        nonmutating set { store(6, UInt64(bitPattern: newValue.microseconds)) }
    }
    /// PostgreSQL as control told this worker.
    package var postgresState: StoreState {
        get { StoreState(rawValue: load(7)) ?? .unknown }
        nonmutating set { store(7, newValue.rawValue) }
    }
    /// Since when PostgreSQL is in `postgresState`.
    package var postgresSince: Instant {
        get { instant(8) }
        nonmutating set { store(8, UInt64(bitPattern: newValue.microseconds)) }
    }
    package var startedAt: Instant {
        get { instant(9) }
        nonmutating set { store(9, UInt64(bitPattern: newValue.microseconds)) }
    }

    /// The slot's monotonic counters.
    package var counters: CounterBlock { unsafe CounterBlock(words: words + 64) }
}
