import Glibc
import ProcessRuntime

/// One question to a store, to see whether it is up.
enum StoreProbe {
    /// Sends `question` and answers the first bytes that come back; empty after an error or half a second.
    static func ask(_ socket: OwnedDescriptor, _ question: [UInt8]) -> [UInt8] {
        var limit = timeval(tv_sec: 0, tv_usec: 500_000)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(socket.number, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(socket.number, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        let sent = question.withUnsafeBytes { send(socket.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        guard sent == question.count else { return [] }
        var answer = [UInt8](repeating: 0, count: 512)
        let count = answer.withUnsafeMutableBytes { recv(socket.number, $0.baseAddress, $0.count, 0) }
        return Array(answer.prefix(max(0, count)))
    }
}
