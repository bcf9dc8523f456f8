import Glibc

/// One end of the socket on which connections change their process.
///
/// Does not own its descriptor.
///
/// Front to worker: freshly accepted connections. Worker to front: idle keep-alive connections of a draining worker.
package struct HandoverSocket: Sendable {
    package let descriptor: Int32

    package init(descriptor: Int32 = InheritedDescriptor.handover) { self.descriptor = descriptor }

    /// Waits for the next connection, which the caller owns; nil when the other side is gone.
    ///
    /// Blocks.
    package func receive() -> Int32? {
        while true {
            switch Datagram.receive(descriptor, .allowed) {
            case .closed: return nil
            case .nothing, .datagram(_, -1): continue
            case .datagram(_, let connection): return connection
            }
        }
    }

    package enum Poll: Sendable, Equatable {
        /// A connection, which the caller owns.
        case connection(Int32)
        case nothing
        case closed
    }

    /// The next connection that is already there.
    ///
    /// Never blocks.
    package func poll() -> Poll {
        while true {
            switch Datagram.receive(descriptor, .refused) {
            case .closed: return .closed
            case .nothing: return .nothing
            case .datagram(_, -1): continue
            case .datagram(_, let connection): return .connection(connection)
            }
        }
    }

    package enum Sending: Sendable, Equatable {
        case sent
        /// The other side has not read for too long: try later, or someone else.
        case full
        /// The other side is gone.
        case closed
    }

    /// Sends a copy of a connection; the caller still owns, and should close, its own.
    ///
    /// Never blocks.
    package func offer(_ connection: Int32) -> Sending {
        switch Datagram.send(descriptor, [1], descriptor: connection, .refused) {
        case .sent: .sent
        case .full: .full
        case .closed: .closed
        }
    }

    /// Sends a copy of a connection; false when the other side is full or gone.
    ///
    /// Never blocks.
    ///
    /// On success the caller closes its own descriptor.
    package func send(_ connection: Int32) -> Bool { offer(connection) == .sent }
}
