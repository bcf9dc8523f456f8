import GatewayCore
import Glibc
import NIOCore

/// The request head that came last on a connection, as the bytes after it are compared with it.
///
/// Clients repeat their heads byte for byte, but for the length of the body; comparing costs a tenth of reading.
struct KnownHead: Sendable {
    /// Longer heads are not kept: what an idle connection holds is bounded.
    static let limit = 4096
    /// More digits than any body has that is accepted.
    private static let digits = 18

    /// The head as it was read, in memory of its own.
    let head: RequestHead
    /// Where the value of `Content-Length` stands, which may differ as long as it is as long; empty without one.
    private let gap: Range<Int>

    /// - Precondition: the head's buffer is not a part of a larger one, which would be kept with it.
    init(_ head: RequestHead) {
        self.head = head
        var gap = 0..<0
        for field in head.fields where field.kind == .contentLength { gap = field.value }
        self.gap = gap
    }

    private enum Likeness { case same, other, length(Int) }

    /// Takes the next head off the front of `buffer`, if it says the same, the length of its body apart.
    func take(from buffer: inout ByteBuffer) -> RequestHead? {
        let length = head.buffer.readableBytes
        guard buffer.readableBytes >= length else { return nil }
        switch buffer.withUnsafeReadableBytes({ likeness(to: $0, length) }) {
        case .other: return nil
        case .same:
            buffer.moveReaderIndex(forwardBy: length)
            return head
        case .length(let count):
            guard let slice = buffer.readSlice(length: length) else { return nil }
            return RequestHead(
                buffer: slice, fields: head.fields, framing: .length(count), version: head.version,
                keepsAlive: head.keepsAlive, method: head.method, target: head.target,
                expectsContinue: head.expectsContinue
            )
        }
    }

    private func likeness(to bytes: UnsafeRawBufferPointer, _ length: Int) -> Likeness {
        head.withBytes { own in
            guard let ours = own.baseAddress, let theirs = bytes.baseAddress,
                memcmp(ours, theirs, gap.lowerBound) == 0,
                memcmp(ours + gap.upperBound, theirs + gap.upperBound, length - gap.upperBound) == 0
            else { return .other }
            if memcmp(ours + gap.lowerBound, theirs + gap.lowerBound, gap.count) == 0 { return .same }
            // Anything but a plain number is for the parser to judge.
            guard gap.count <= Self.digits else { return .other }
            var count = 0
            for byte in bytes[gap] {
                guard byte &- 0x30 < 10 else { return .other }
                count = count * 10 + Int(byte &- 0x30)
            }
            return .length(count)
        }
    }
}
