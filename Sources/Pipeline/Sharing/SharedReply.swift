import GatewayCore
import NIOCore
import WireFormats

/// An answer from the shared store, or one that another request fetches, in the shape of a provider's answer.
///
/// A whole answer is complete from the beginning and comes with its length; a stream comes in chunks, each as soon as
/// it is there.
@WorkerLoop
final class SharedReply: UpstreamReply {
    let head: ResponseHead
    /// Nil once the answer was read to its end or given up, so that its memory is free.
    private var payload: SharedPayload?
    private let delivery: AnswerForm.Delivery
    private var position = SharedPayload.Position()
    private var sink: (any ReplySink)?
    private var isReading = true
    private var isPlaying = false
    private var isOver = false

    /// Most payload bytes that a client is handed before its appetite is looked at again.
    private static let portion = 64 << 10

    /// Nil when the form makes no acceptable head.
    ///
    /// - Precondition: the payload of a whole answer is complete.
    init?(_ form: AnswerForm, _ payload: SharedPayload) {
        guard let head = form.head(length: payload.length) else { return nil }
        self.head = head
        self.payload = payload
        delivery = form.delivery
        payload.add(self)
    }

    func relay(to sink: any ReplySink) {
        guard !isOver else { return }
        self.sink = sink
        advance()
    }

    func setReading(_ reading: Bool) {
        isReading = reading
        if reading { advance() }
    }

    func cancel() { leave() }

    /// Hands on what there is.
    func advance() {
        guard !isPlaying, !isOver else { return }
        isPlaying = true
        defer { isPlaying = false }
        while isReading, let sink, let payload {
            if let part = payload.next(&position, most: Self.portion) {
                part.withUnsafeReadableBytes { sink.observe($0) }
                deliver(part, of: payload, to: sink)
            } else {
                switch payload.state {
                case .growing: return
                case .complete: deliver(ByteBuffer(), of: payload, to: sink)
                case .broken:
                    leave()
                    sink.fail(
                        GatewayError(.providerUnreachable, origin: .provider, detail: "the shared answer broke off")
                    )
                }
            }
        }
    }

    private func deliver(_ part: ByteBuffer, of payload: SharedPayload, to sink: any ReplySink) {
        let isLast = payload.state == .complete && payload.isAtEnd(position)
        // Copied where the answer is large: the last of it may wait for its reader when nobody counts the answer any more.
        var raw = part.inOwnMemory
        if head.framing == .chunked {
            raw = ByteBuffer()
            HeadWriter.chunk(part, into: &raw)
            if isLast { HeadWriter.lastChunk(into: &raw) }
        }
        if isLast { leave() }
        sink.receive(raw, isLast: isLast)
    }

    private func leave() {
        guard !isOver else { return }
        isOver = true
        sink = nil
        payload?.remove(self)
        payload = nil
    }
}
