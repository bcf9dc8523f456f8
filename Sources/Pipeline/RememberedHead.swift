import GatewayCore
import NIOCore

/// A request head as later ones are compared with it: byte for byte, the length of the body apart.
struct RememberedHead: Sendable {
    private let bytes: ByteBuffer
    private let fieldCount: Int
    /// Where the value of `Content-Length` stands, which may differ as long as it is as long; empty without one.
    private let gap: Range<Int>

    init(_ head: RequestHead) {
        // A copy: the head's own buffer is a slice of what was read with it.
        bytes = head.withBytes { ByteBuffer(bytes: $0) }
        fieldCount = head.fields.count
        gap = Self.gap(of: head)
    }

    private static func gap(of head: RequestHead) -> Range<Int> {
        for field in head.fields where field.kind == .contentLength { return field.value }
        return 0..<0
    }

    /// Whether `other` says the same.
    func isSame(as other: RequestHead) -> Bool {
        // As many fields, and the length in the same place: then no other field can hide where bytes may differ.
        guard other.fields.count == fieldCount, Self.gap(of: other) == gap else { return false }
        return bytes.withUnsafeReadableBytes { own in
            other.withBytes { others in
                own.count == others.count
                    && UnsafeRawBufferPointer(rebasing: own[..<gap.lowerBound])
                        .isSame(as: UnsafeRawBufferPointer(rebasing: others[..<gap.lowerBound]))
                    && UnsafeRawBufferPointer(rebasing: own[gap.upperBound...])
                        .isSame(as: UnsafeRawBufferPointer(rebasing: others[gap.upperBound...]))
            }
        }
    }
}
