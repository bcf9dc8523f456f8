package import ProcessRuntime

/// Something that happened, as the fleet hears of it.
package enum FleetEvent: Sendable {
    /// Begin: the embedded stores first.
    case start
    /// A child does its job from now on; for a store: it accepts connections.
    case ready(FleetRole)
    /// A child could not be started at all.
    case startFailed(FleetRole, reason: String)
    case exited(FleetRole, ExitStatus)
    /// The front sends nothing more to that worker.
    case released(slot: Int, generation: UInt32)
    /// The front has closed its listening sockets and handed over everything it took.
    case stoppedAccepting
    /// Time has passed.
    case tick
    /// A new, valid configuration. `restarts` names what else than workers it changes.
    case reload(workers: Int, restarts: Set<FleetRole>)
    /// SIGTERM or SIGINT.
    case terminate
}

/// What has to be done because of an event.
package enum FleetAction: Sendable, Hashable {
    package enum Order: Sendable, Hashable { case drain, stop, stopAccepting }

    /// Start a child with the settings of that revision.
    case start(FleetRole, revision: Int)
    case tell(FleetRole, Order)
    case signal(FleetRole, Int32)
    /// Give the front its end of this worker's hand-over socket.
    case addToFront(slot: Int, generation: UInt32)
    case removeFromFront(slot: Int, generation: UInt32)
    /// The seat is empty for good: give back what waits in its hand-over socket, then close it.
    case closeSeat(slot: Int, generation: UInt32)
    /// Close the supervisor's copies of the data port's listening sockets.
    case closeListeners
    /// Everything serves, for the first time.
    case announce
    case note(FleetNote)
    /// End the supervisor.
    case exit(code: Int32, message: String?)
}

/// What an operator may want to know about the fleet.
package enum FleetNote: Sendable, Hashable, CustomStringConvertible {
    case died(FleetRole, ExitStatus, restartIn: Duration)
    case failedToStart(FleetRole, reason: String, restartIn: Duration)
    /// It keeps dying before it is ready; others still serve.
    case keepsDying(FleetRole)
    case reloading(revision: Int, workers: Int)
    case reloaded(revision: Int)
    case reloadAbandoned(revision: Int, because: String)
    case noFreeSlot
    case terminating
    case overdue(FleetRole)

    /// Whether somebody should act on it.
    package var isProblem: Bool {
        switch self {
        case .died, .failedToStart, .keepsDying, .reloadAbandoned, .noFreeSlot, .overdue: true
        case .reloading, .reloaded, .terminating: false
        }
    }

    package var description: String {
        switch self {
        case .died(let role, let status, let delay): "\(role) ended with \(status); started again in \(delay)"
        case .failedToStart(let role, let reason, let delay): "\(role): \(reason); tried again in \(delay)"
        case .keepsDying(let role): "\(role) keeps ending before it is ready"
        case .reloading(let revision, let workers): "configuration \(revision): starting \(workers) workers"
        case .reloaded(let revision): "configuration \(revision) is in use"
        case .reloadAbandoned(let revision, let reason): "configuration \(revision) is abandoned: \(reason)"
        case .noFreeSlot: "new workers wait until old ones have finished their streams"
        case .terminating: "terminating"
        case .overdue(let role): "\(role) did not end in time and is killed"
        }
    }
}
