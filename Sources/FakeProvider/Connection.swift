import Glibc

/// One client connection.
///
/// It belongs to one loop, and nothing here blocks.
final class Connection {
    let descriptor: Int32
    /// Tells this connection from a later one with the same descriptor.
    let serial: UInt64
    /// Bytes of a request that is not complete, or of those behind a running stream.
    var received: [UInt8] = []
    /// Bytes the kernel did not take.
    private var unsent: [UInt8] = []
    private var sent = 0
    /// The event to send next while a stream runs.
    var nextEvent: Int?
    /// The format of the stream that runs.
    var dialect = Dialect.openAI
    var pace: UInt64 = 0
    var closesWhenSent = false

    init(descriptor: Int32, serial: UInt64) {
        self.descriptor = descriptor
        self.serial = serial
    }

    var hasUnsent: Bool { sent < unsent.count }

    /// Hands bytes to the kernel and keeps what it does not take; false when the connection is gone.
    func send(_ bytes: [UInt8]) -> Bool {
        guard !hasUnsent else {
            unsent += bytes
            return true
        }
        let count = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        if count == bytes.count { return true }
        guard count >= 0 || errno == EAGAIN else { return false }
        unsent = Array(bytes[max(count, 0)...])
        sent = 0
        return true
    }

    /// Tries again with what is left; false when the connection is gone.
    func flush() -> Bool {
        while hasUnsent {
            let count = unsent.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress.map { $0 + sent }, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count < 0 { return errno == EAGAIN }
            sent += count
        }
        unsent.removeAll(keepingCapacity: true)
        sent = 0
        return true
    }
}
