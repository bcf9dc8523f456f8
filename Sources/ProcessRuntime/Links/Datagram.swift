import CProcessShim
import Glibc

/// One datagram on a SOCK_SEQPACKET socket, with at most one descriptor beside it.
enum Datagram {
    enum Waiting { case allowed, refused }

    enum Received {
        /// Bytes, and the descriptor that came along (-1: none), which the receiver owns now.
        case datagram([UInt8], descriptor: Int32)
        /// Nothing there now.
        case nothing
        /// The peer closed its end, or the socket is broken.
        case closed
    }

    enum Sent { case sent, full, closed }

    static func receive(_ socket: Int32, _ waiting: Waiting) -> Received {
        var descriptor: Int32 = -1
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = unsafe bytes.withUnsafeMutableBytes { space in
            unsafe aig_receive(socket, space.baseAddress, space.count, &descriptor, waiting == .refused ? 1 : 0)
        }
        if count > 0 { return .datagram(Array(bytes.prefix(Int(count))), descriptor: descriptor) }
        return count == -EAGAIN || count == -EWOULDBLOCK ? .nothing : .closed
    }

    static func send(_ socket: Int32, _ bytes: [UInt8], descriptor: Int32 = -1, _ waiting: Waiting) -> Sent {
        let count = unsafe bytes.withUnsafeBytes { content in
            unsafe aig_send(socket, content.baseAddress, content.count, descriptor, waiting == .refused ? 1 : 0)
        }
        switch count {
        case 0...: return .sent
        // Too many descriptors in flight for this user: the receivers have to catch up first.
        case -EAGAIN, -EWOULDBLOCK, -ENOBUFS, -ENOMEM, -ETOOMANYREFS: return .full
        default: return .closed
        }
    }
}
