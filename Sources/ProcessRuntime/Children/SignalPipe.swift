import CProcessShim
import Glibc

/// Signals of this process as something that can be polled and read.
///
/// One per process.
package struct SignalPipe: Sendable {
    /// Readable when a signal has arrived.
    package let descriptor: Int32

    /// Signal numbers that somebody else writes to a non-blocking pipe, one byte each.
    package init(descriptor: Int32) { self.descriptor = descriptor }

    /// Catches the given signals from now on, in whichever thread they arrive.
    package init(_ signals: [Int32]) throws(SystemError) {
        let end = unsafe signals.withUnsafeBufferPointer { unsafe aig_watch_signals($0.baseAddress, $0.count) }
        descriptor = try SystemError.check(end, "watch signals")
    }

    /// The signals that arrived since the last call, in order.
    ///
    /// Never blocks.
    package func take() -> [Int32] {
        var arrived: [Int32] = []
        var bytes = [UInt8](repeating: 0, count: 64)
        while true {
            let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                arrived += bytes.prefix(count).map(Int32.init)
            } else if count == 0 || errno != EINTR {
                return arrived
            }
        }
    }
}
