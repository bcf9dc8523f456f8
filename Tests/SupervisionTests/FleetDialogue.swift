import ProcessRuntime
@testable import Supervision
import Testing

/// A conversation with a fleet: events in, actions out, on a clock that moves when told.
struct FleetDialogue {
    private(set) var fleet: Fleet
    private(set) var now = MonotonicTime(microseconds: 1_000_000)

    init(stores: [FleetRole] = [], workers: Int = 2, policy: FleetPolicy = FleetPolicy()) {
        fleet = Fleet(stores: stores, workers: workers, policy: policy)
    }

    @discardableResult
    mutating func hear(_ event: FleetEvent) -> [FleetAction] { fleet.handle(event, now: now) }

    /// What the fleet does, notes left out.
    @discardableResult
    mutating func does(_ event: FleetEvent) -> [FleetAction] {
        hear(event).filter { if case .note = $0 { false } else { true } }
    }

    mutating func wait(_ time: Duration) { now = now + time }

    /// Lets time pass up to the fleet's next deadline.
    @discardableResult
    mutating func waitForDeadline() throws -> [FleetAction] {
        now = try #require(fleet.nextDeadline)
        return does(.tick)
    }

    /// Brings everything up to `running`.
    mutating func startAll() {
        var todo = hear(.start)
        while !todo.isEmpty {
            guard case .start(let role, _) = todo.removeFirst() else { continue }
            todo += hear(.ready(role))
        }
    }
}

func worker(_ slot: Int, _ generation: UInt32) -> FleetRole { .worker(slot: slot, generation: generation) }
