package import GatewayCore
import NIOCore
package import Pipeline

/// All client connections of a worker: what they share, and what has to be done for them together.
@WorkerLoop
package final class ConnectionRegistry {
    /// Deadlines of a connection, in seconds.
    package struct Deadlines: Sendable {
        /// Without a request on a kept-alive connection.
        package var idle = 300
        /// From the first byte of a head to its end.
        package var head = 60
        /// Without a byte of a body that the client announced.
        package var body = 120
        /// While the client takes none of the bytes that wait for it.
        package var stalledReader = 600
        /// For discarding the rest of a body after an early answer.
        package var linger = 5
        package init() {}
    }

    package let environment: WorkerEnvironment
    package let local: LocalEndpoints
    let deadlines: Deadlines
    private let scheduleTurn: @WorkerLoop () -> Void
    private let connectionCountChanged: @WorkerLoop (Int) -> Void
    /// What became of an attempt to give a connection to another worker.
    package enum HandBack: Sendable {
        case given
        /// The front is busy: try again.
        case later
        /// There is no front any more.
        case impossible
    }
    private let handBack: @WorkerLoop (Int32) -> HandBack
    /// Whether idle connections can still be given away.
    private(set) var canHandBack = true

    private var connections: [ObjectIdentifier: ClientConnection] = [:]
    private var dirty: [ClientConnection] = []
    private(set) var isDraining = false
    private var drained: (@WorkerLoop () -> Void)?
    /// Seconds since the worker's start, counted by `tick`.
    private(set) var second = 0

    /// - Parameters:
    ///   - scheduleTurn: makes sure that `endTurn` runs after the socket events now being handled.
    ///   - connectionCountChanged: told the number of open connections whenever it changes.
    ///   - handBack: sends a duplicate of an idle connection's descriptor back to the front.
    package init(
        environment: WorkerEnvironment, local: LocalEndpoints, deadlines: Deadlines = Deadlines(),
        scheduleTurn: @escaping @WorkerLoop () -> Void,
        connectionCountChanged: @escaping @WorkerLoop (Int) -> Void, handBack: @escaping @WorkerLoop (Int32) -> HandBack
    ) {
        self.environment = environment
        self.local = local
        self.deadlines = deadlines
        self.scheduleTurn = scheduleTurn
        self.connectionCountChanged = connectionCountChanged
        self.handBack = handBack
    }

    package var count: Int { connections.count }

    func add(_ connection: ClientConnection) {
        connections[ObjectIdentifier(connection)] = connection
        environment.observer.record(.connectionAccepted)
        connectionCountChanged(connections.count)
    }

    func remove(_ connection: ClientConnection) {
        guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        environment.observer.record(.connectionClosed)
        connectionCountChanged(connections.count)
        if isDraining, connections.isEmpty { finishDrain() }
    }

    /// Notes that a connection has bytes that leave at the end of the turn.
    func flushAtTurnEnd(_ connection: ClientConnection) {
        dirty.append(connection)
        scheduleTurn()
    }

    /// Sends what the turn produced.
    ///
    /// Runs after the turn's records have been written.
    package func endTurn() {
        guard !dirty.isEmpty else { return }
        let now = dirty
        dirty.removeAll(keepingCapacity: true)
        for connection in now { connection.endTurn() }
    }

    /// Once a second: closes connections that are past a deadline.
    package func tick() {
        second += 1
        for connection in connections.values { connection.checkDeadlines(now: second) }
        if isDraining { handBackIdle() }
    }

    /// Takes no part in new work: idle connections go to other workers, busy ones finish first.
    /// - Parameter done: called once, when no connection is left.
    package func drain(_ done: @escaping @WorkerLoop () -> Void) {
        isDraining = true
        drained = done
        handBackIdle()
        if connections.isEmpty { finishDrain() }
    }

    private func handBackIdle() {
        for connection in connections.values { connection.leaveIfIdle() }
    }

    func handBack(descriptor: Int32) -> HandBack {
        let result = handBack(descriptor)
        if result == .impossible { canHandBack = false }
        return result
    }

    private func finishDrain() {
        let done = drained
        drained = nil
        done?()
    }
}
