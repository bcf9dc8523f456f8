import ProcessRuntime

/// One child the fleet wants, with the state of the process in it.
struct Seat: Sendable {
    /// - waiting → starting; starting → ready, waiting, ending; ready → waiting, releasing, ending;
    ///   releasing → ending or empty; ending → waiting or empty.
    enum State: Sendable, Equatable {
        /// No process; one is started at that time.
        case waiting(until: MonotonicTime)
        case starting
        case ready
        /// A worker on its way out, before the front has promised to send it nothing more.
        case releasing
        /// Told to end. After `deadline` it is told more firmly.
        case ending(deadline: MonotonicTime?, Firmness, then: Afterwards)
    }

    enum Firmness: Sendable { case drain, stop, kill }
    enum Afterwards: Sendable { case empty, again }

    let role: FleetRole
    /// The settings the next process in this seat is started with.
    var revision: Int
    var state: State
    var startedAt: MonotonicTime
    /// Short lives in a row.
    var quickDeaths = 0
    /// Deaths since it was last ready.
    var unreadyDeaths: [MonotonicTime] = []

    init(role: FleetRole, revision: Int, now: MonotonicTime) {
        self.role = role
        self.revision = revision
        state = .waiting(until: now)
        startedAt = now
    }

    var isReady: Bool { state == .ready }

    var hasProcess: Bool { if case .waiting = state { false } else { true } }

    /// Whether it is on its way out for good.
    var isLeaving: Bool {
        switch state {
        case .releasing, .ending(_, _, then: .empty): true
        case .waiting, .starting, .ready, .ending(_, _, then: .again): false
        }
    }

    /// Counts a death at `now` and answers how long to wait before the next start.
    mutating func countDeath(_ now: MonotonicTime, _ policy: FleetPolicy) -> Duration {
        quickDeaths = now - startedAt >= policy.stableAfter ? 0 : quickDeaths + 1
        if state == .ready {
            unreadyDeaths = []
        } else {
            unreadyDeaths = unreadyDeaths.filter { now - $0 < policy.crashLoopWindow } + [now]
        }
        let delay = policy.backOff(afterQuickDeaths: quickDeaths)
        state = .waiting(until: now + delay)
        return delay
    }
}
