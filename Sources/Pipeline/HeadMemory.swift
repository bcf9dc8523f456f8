import CloudflareWire
import GatewayCore
import NIOCore
import Policy

/// What was worked out for one request head, for the equal heads that follow it on the connection.
///
/// Clients repeat their heads byte for byte, but for the length of the body.
@WorkerLoop
final class HeadMemory {
    /// Longer heads are not remembered: what an idle connection keeps is bounded.
    private static let limit = 4096

    let reading: HeadReading
    let credentials: Credentials
    let gateway: GatewayPlan
    let settings: CallSettings
    /// The head for a provider as it was last composed, without key and framing.
    private var composed: (call: UpstreamHead.Call, bytes: ByteBuffer)?

    /// The native call that the head leads to.
    ///
    /// Nil too when a stored key goes along: an idle connection keeps no opened keys.
    var keyless: KeylessCall?

    private let head: RememberedHead
    /// The head itself, unless it is a part of a larger buffer: the parser gives out equal heads as one object.
    private let original: RequestHead?

    /// Nil when the head is too long to keep.
    init?(_ inbound: Inbound, _ credentials: Credentials, _ gateway: GatewayPlan, _ settings: CallSettings) {
        let head = inbound.head
        guard head.buffer.readableBytes <= Self.limit else { return nil }
        reading = inbound.reading
        self.credentials = credentials
        self.gateway = gateway
        self.settings = settings
        self.head = RememberedHead(head)
        original = head.buffer.storageCapacity <= Self.limit ? head : nil
    }

    /// Whether `other` says the same, the length of its body apart.
    func isSame(as other: RequestHead) -> Bool { other === original || head.isSame(as: other) }

    /// The head that was composed for the same call.
    func composed(for call: UpstreamHead.Call) -> ByteBuffer? {
        guard let composed, composed.call == call else { return nil }
        return composed.bytes
    }

    func remember(_ bytes: ByteBuffer, for call: UpstreamHead.Call) { composed = (call, bytes) }
}

/// A native call that goes out with the request's own credentials or none.
struct KeylessCall {
    let route: NativeRoute
    /// The head for the provider up to the body's framing.
    let head: ByteBuffer
    /// The whole head as it was last sent, and the framing that it ends with.
    var finished: (framing: BodyFraming, head: ByteBuffer)?
    /// What the names of the call's stored answers begin with.
    var keyParts: RememberedKeyParts?
    /// The limits that the call has to pass.
    var limits: [RateRule]?
}
