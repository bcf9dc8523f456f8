import CProcessShim
import Glibc

/// The supervisor's end of its conversation with one child.
package final class ChildLink: Sendable {
    private let socket: OwnedDescriptor

    package init(_ socket: OwnedDescriptor) { self.socket = socket }

    package var descriptor: Int32 { socket.number }

    /// A connected pair: the supervisor's end, and the one to give to the child.
    package static func pair() throws(SystemError) -> (ChildLink, OwnedDescriptor) {
        let (ours, theirs) = try SocketPair.make()
        return (ChildLink(ours), theirs)
    }

    /// Sends an order; false when the child is gone or has not read for so long that its socket is full.
    @discardableResult
    package func send(_ order: SupervisorOrder) -> Bool {
        let passed: Int32 = if case .addWorker(_, _, let descriptor) = order { descriptor } else { -1 }
        return Datagram.send(descriptor, LinkDatagram(order).bytes, descriptor: passed, .refused) == .sent
    }

    package enum Poll: Sendable, Equatable {
        case report(ChildReport)
        case nothing
        /// The child closed its end: it is ending.
        case closed
    }

    /// The next report that is already there.
    ///
    /// Never blocks.
    package func poll() -> Poll {
        while true {
            switch Datagram.receive(descriptor, .refused) {
            case .closed: return .closed
            case .nothing: return .nothing
            case .datagram(let bytes, let passed):
                if passed >= 0 { close(passed) }
                if let report = LinkDatagram(bytes)?.report { return .report(report) }
            }
        }
    }
}

/// Two connected SOCK_SEQPACKET sockets, close-on-exec.
package enum SocketPair {
    package static func make() throws(SystemError) -> (OwnedDescriptor, OwnedDescriptor) {
        var ends: [Int32] = [-1, -1]
        let result = unsafe ends.withUnsafeMutableBufferPointer { unsafe aig_socket_pair($0.baseAddress) }
        _ = try SystemError.check(result, "socketpair")
        return (OwnedDescriptor(ends[0]), OwnedDescriptor(ends[1]))
    }
}
