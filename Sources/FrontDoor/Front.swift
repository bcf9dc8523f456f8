import Glibc
package import ProcessRuntime

/// The process that accepts clients and hands each connection to a worker; it never reads a byte of them.
///
/// One thread, one `poll`. While nobody takes connections nothing is accepted, and clients wait in the backlog.
package final class Front {
    private enum Life {
        case accepting
        /// Takes what is in the backlog, then closes the listening sockets.
        case emptying
        /// Returned connections have nowhere to go any more and are closed.
        case closed
    }

    /// Connections taken from one listener before the others have their turn.
    private static let burst = 64
    /// How long to leave the backlog alone when descriptors or memory have run out.
    private static let pauseWhenExhausted: Duration = .milliseconds(50)

    private let link: SupervisorLink
    private let scoreboard: Scoreboard
    private var listeners: [Int32]
    private var ring = WorkerRing()
    private var life = Life.accepting
    /// Accepted or returned, and not taken by a worker yet.
    ///
    /// Nothing is accepted while there is one.
    private var waiting: [Int32] = []
    private var pausedUntil: MonotonicTime?

    /// Takes over the listening sockets, which are non-blocking.
    package init(link: SupervisorLink, scoreboard: Scoreboard, listeners: [Int32]) {
        self.link = link
        self.scoreboard = scoreboard
        self.listeners = listeners
    }

    /// Works until the supervisor says stop, or is gone.
    package func run() {
        link.announceReady()
        var poll = PollSet()
        while true {
            poll.removeAll()
            let isAccepting = fill(&poll)
            let ready = Set(poll.wait(timeout()))
            if ready.contains(link.descriptor), !obey() { return }
            for worker in ring.workers where ready.contains(worker.descriptor) {
                ring.markWritable(descriptor: worker.descriptor)
                takeBack(worker)
            }
            flushWaiting()
            if isAccepting || life == .emptying { accept(ready) }
            finishEmptying()
        }
    }

    /// Whether listeners are among what is waited for.
    private func fill(_ poll: inout PollSet) -> Bool {
        poll.add(link.descriptor)
        for worker in ring.workers {
            poll.add(worker.descriptor)
            if worker.standing == .full { poll.add(worker.descriptor, .writable) }
        }
        guard life == .accepting, pausedUntil == nil, waiting.isEmpty, ring.hasOpenWorker else { return false }
        for listener in listeners { poll.add(listener) }
        return true
    }

    private func timeout() -> Duration? {
        guard let pausedUntil else { return life == .emptying && waiting.isEmpty ? .zero : nil }
        let left = pausedUntil - MonotonicTime.now()
        if left <= .zero { self.pausedUntil = nil }
        return max(.zero, left)
    }

    /// Does what the supervisor says; false when this process is to end.
    private func obey() -> Bool {
        while true {
            switch link.poll() {
            case .nothing: return true
            case .closed, .order(.stop), .order(.drain): return false
            case .order(.addWorker(let slot, let generation, let descriptor)):
                if let replaced = ring.add(slot: slot, generation: generation, descriptor: descriptor, now: .now()) {
                    close(replaced)
                }
            case .order(.removeWorker(let slot, let generation)):
                ring.retire(slot: slot, generation: generation)
                link.report(.released(slot: slot, generation: generation))
            case .order(.stopAccepting): if life == .accepting { life = .emptying }
            }
        }
    }

    /// Collects the connections a worker returns.
    private func takeBack(_ worker: WorkerRing.Worker) {
        let socket = HandoverSocket(descriptor: worker.descriptor)
        for _ in 0..<Self.burst {
            switch socket.poll() {
            case .nothing: return
            case .connection(let connection): dispatch(connection)
            case .closed:
                ring.remove(descriptor: worker.descriptor)
                close(worker.descriptor)
                return
            }
        }
    }

    private func accept(_ ready: Set<Int32>) {
        for listener in listeners where life == .emptying || ready.contains(listener) {
            burst: for _ in 0..<Self.burst {
                guard waiting.isEmpty, ring.hasOpenWorker else { return }
                switch ListeningSocket.accept(listener) {
                case .connection(let connection): dispatch(connection)
                case .exhausted:
                    pausedUntil = .now() + Self.pauseWhenExhausted
                    return
                case .nothing, .closed: break burst
                }
            }
        }
    }

    /// Gives a connection to a worker, or keeps it until one takes it.
    private func dispatch(_ connection: Int32) {
        if life == .closed {
            close(connection)
        } else if !waiting.isEmpty || !send(connection) {
            waiting.append(connection)
        }
    }

    private func flushWaiting() {
        guard !waiting.isEmpty else { return }
        var left: [Int32] = []
        for connection in waiting where !left.isEmpty || !send(connection) { left.append(connection) }
        waiting = left
    }

    /// Offers a connection to one worker after the other, the least loaded first; closes our copy once it is taken.
    private func send(_ connection: Int32) -> Bool {
        while let worker = ring.choose(now: .now(), connections: { scoreboard.slot($0).connections }) {
            switch HandoverSocket(descriptor: worker).offer(connection) {
            case .sent:
                ring.countSent(descriptor: worker, now: .now())
                close(connection)
                return true
            case .full: ring.markFull(descriptor: worker)
            case .closed:
                ring.remove(descriptor: worker)
                close(worker)
            }
        }
        return false
    }

    /// Once the backlog is empty the listening sockets go, and the supervisor is told.
    private func finishEmptying() {
        guard life == .emptying, waiting.isEmpty || !ring.hasOpenWorker else { return }
        if ring.hasOpenWorker, backlogHasMore() { return }
        for listener in listeners { close(listener) }
        for connection in waiting { close(connection) }
        listeners = []
        waiting = []
        life = .closed
        link.report(.stoppedAccepting)
    }

    private func backlogHasMore() -> Bool {
        var poll = PollSet()
        for listener in listeners { poll.add(listener) }
        return pausedUntil == nil && !poll.wait(.zero).isEmpty
    }
}
