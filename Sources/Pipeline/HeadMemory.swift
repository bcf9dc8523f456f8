import CloudflareWire
import GatewayCore
import NIOCore

/// What was worked out for one request head, for the equal heads that follow it on the connection.
///
/// Clients repeat their heads byte for byte, but for the length of the body.
@WorkerLoop
final class HeadMemory {
    /// Longer heads are not remembered: what an idle connection keeps is bounded.
    private static let limit = 4096

    let credentials: Credentials
    let gateway: GatewayPlan
    let settings: CallSettings
    /// The head for a provider as it was last composed, without key and framing.
    private var composed: (call: UpstreamHead.Call, bytes: ByteBuffer)?

    private let head: ByteBuffer
    private let fieldCount: Int
    /// Where the value of `Content-Length` stands, which may differ as long as it is as long; empty without one.
    private let gap: Range<Int>

    /// Nil when the head is too long to keep.
    init?(_ head: RequestHead, _ credentials: Credentials, _ gateway: GatewayPlan, _ settings: CallSettings) {
        guard head.buffer.readableBytes <= Self.limit else { return nil }
        self.credentials = credentials
        self.gateway = gateway
        self.settings = settings
        // A copy: the head's own buffer is a slice of what was read with it.
        self.head = head.withBytes { ByteBuffer(bytes: $0) }
        fieldCount = head.fields.count
        gap = Self.gap(of: head)
    }

    private static func gap(of head: RequestHead) -> Range<Int> {
        for field in head.fields where field.kind == .contentLength { return field.value }
        return 0..<0
    }

    /// Whether `other` says the same, the length of its body apart.
    func isSame(as other: RequestHead) -> Bool {
        // The same fields in the same places: then nothing can hide where the length may differ.
        guard other.fields.count == fieldCount, Self.gap(of: other) == gap else { return false }
        return head.withUnsafeReadableBytes { own in
            other.withBytes { others in
                own.count == others.count
                    && UnsafeRawBufferPointer(rebasing: own[..<gap.lowerBound])
                        .isSame(as: UnsafeRawBufferPointer(rebasing: others[..<gap.lowerBound]))
                    && UnsafeRawBufferPointer(rebasing: own[gap.upperBound...])
                        .isSame(as: UnsafeRawBufferPointer(rebasing: others[gap.upperBound...]))
            }
        }
    }

    /// The head that was composed for the same call.
    func composed(for call: UpstreamHead.Call) -> ByteBuffer? {
        guard let composed, composed.call == call else { return nil }
        return composed.bytes
    }

    func remember(_ bytes: ByteBuffer, for call: UpstreamHead.Call) { composed = (call, bytes) }
}
