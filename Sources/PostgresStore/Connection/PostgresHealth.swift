import Glibc
package import GatewayCore
import Synchronization

/// Whether PostgreSQL answered when it was last asked, and since when that is so.
package struct PostgresHealth: Sendable, Equatable {
    package var isAvailable: Bool
    package var since: Instant
    /// Why it is not available.
    package var problem: String?
}

/// Keeps the health of one server, as seen by all connections to it.
package final class PostgresHealthMonitor: Sendable {
    private struct State {
        var health: PostgresHealth
        var listeners: [UInt64: AsyncStream<PostgresHealth>.Continuation] = [:]
        var nextListener: UInt64 = 0
    }
    // A lock, because `/readyz` reads it from any thread without waiting for a connection.
    private let state: Mutex<State>

    /// Starts as unavailable: nothing has been asked yet.
    package init() {
        state = Mutex(State(health: PostgresHealth(isAvailable: false, since: .now, problem: "not yet asked")))
    }

    package var current: PostgresHealth { state.withLock { $0.health } }

    /// The present state, then every change of it.
    package func changes() -> AsyncStream<PostgresHealth> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: PostgresHealth.self, bufferingPolicy: .bufferingNewest(1)
        )
        let id = state.withLock { state in
            state.nextListener += 1
            state.listeners[state.nextListener] = continuation
            continuation.yield(state.health)
            return state.nextListener
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.listeners.removeValue(forKey: id) }
        }
        return stream
    }

    func noteAvailable() {
        state.withLock { state in
            guard !state.health.isAvailable else { return }
            state.health = PostgresHealth(isAvailable: true, since: .now, problem: nil)
            for listener in state.listeners.values { listener.yield(state.health) }
        }
    }

    func noteUnavailable(_ problem: String) {
        state.withLock { state in
            if !state.health.isAvailable {
                state.health.problem = problem
                return
            }
            state.health = PostgresHealth(isAvailable: false, since: .now, problem: problem)
            for listener in state.listeners.values { listener.yield(state.health) }
        }
    }
}

extension Instant {
    /// The wall clock of this machine.
    static var now: Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Instant(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }
}
