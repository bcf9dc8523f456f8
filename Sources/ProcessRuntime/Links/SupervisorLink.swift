import Glibc

/// A child's end of its conversation with the supervisor.
package struct SupervisorLink: Sendable {
    package let descriptor: Int32

    package init(descriptor: Int32 = InheritedDescriptor.supervisorLink) { self.descriptor = descriptor }

    /// Says that this process does its job from now on.
    ///
    /// Once, after everything it needs is in place.
    package func announceReady() { report(.ready) }

    /// Sends a report; lost when the supervisor is gone.
    package func report(_ report: ChildReport) {
        _ = Datagram.send(descriptor, LinkDatagram(report).bytes, .allowed)
    }

    /// Waits for the next order; nil when the supervisor is gone.
    ///
    /// Blocks: call it on a thread of its own.
    package func next() -> SupervisorOrder? {
        while true {
            switch Datagram.receive(descriptor, .allowed) {
            case .closed: return nil
            case .nothing: continue
            case .datagram(let bytes, let passed):
                if let order = LinkDatagram(bytes)?.order(descriptor: passed) { return order }
                if passed >= 0 { close(passed) }
            }
        }
    }

    package enum Poll: Sendable, Equatable {
        case order(SupervisorOrder)
        case nothing
        /// The supervisor is gone.
        case closed
    }

    /// The next order that is already there.
    ///
    /// Never blocks.
    package func poll() -> Poll {
        while true {
            switch Datagram.receive(descriptor, .refused) {
            case .closed: return .closed
            case .nothing: return .nothing
            case .datagram(let bytes, let passed):
                if let order = LinkDatagram(bytes)?.order(descriptor: passed) { return .order(order) }
                if passed >= 0 { close(passed) }
            }
        }
    }
}
