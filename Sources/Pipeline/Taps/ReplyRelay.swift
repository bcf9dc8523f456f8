import CloudflareWire
import GatewayCore
import NIOCore
import Providers
import WireFormats

/// Moves a provider's answer to the client buffer by buffer and lets the taps see each payload byte once.
@WorkerLoop
final class ReplyRelay: ReplySink {
    enum Ending: Sendable {
        /// The provider finished and the client got everything.
        case complete
        /// The provider broke off.
        case truncated(GatewayError)
        /// The client went away.
        case clientGone
    }

    /// How a client learns that an answer broke off, besides the missing end of the body.
    enum Truncation { case silent, errorEvent }

    private let downstream: any Downstream
    private let reply: any UpstreamReply
    private let delivery: AnswerHead.Delivery
    private let truncation: Truncation
    private(set) var usage: UsageReader?
    private(set) var capture: PayloadCapture
    private(set) var allowance: Int
    /// Payload bytes the provider sent.
    private(set) var payloadBytes = 0
    private var filter: UsageChunkFilter?
    private var pending = ByteBuffer()
    private var filterError: GatewayError?
    private var ending: Ending?
    private var waiter: CheckedContinuation<Ending, Never>?

    init(
        reply: any UpstreamReply, downstream: any Downstream, delivery: AnswerHead.Delivery, shape: ReplyShape,
        truncation: Truncation, usage: UsageReader?, capture: PayloadCapture, allowance: Int
    ) {
        self.reply = reply
        self.downstream = downstream
        self.delivery = delivery
        self.truncation = truncation
        self.usage = usage
        self.capture = capture
        self.allowance = allowance
        if shape == .withoutUsageChunk, delivery == .chunks || delivery == .plain { filter = UsageChunkFilter() }
    }

    /// Relays until the answer has ended one way or another.
    func run() async -> Ending {
        downstream.onWritable { [weak self] in self?.reply.setReading(true) }
        reply.relay(to: self)
        if let ending { return ending }
        return await withCheckedContinuation { waiter = $0 }
    }

    /// The client closed its connection before the end.
    func clientGone() {
        guard ending == nil else { return }
        reply.cancel()
        end(.clientGone)
    }

    func observe(_ payload: UnsafeRawBufferPointer) {
        guard ending == nil else { return }
        payloadBytes += payload.count
        usage?.feed(payload)
        capture.append(payload, allowance: &allowance)
        switch delivery {
        case .raw, .empty: break
        case .chunks, .plain:
            guard filter != nil else {
                pending.writeBytes(payload)
                return
            }
            do {
                try filter?.feed(payload, into: &pending)
            } catch {
                filterError = error
            }
        }
    }

    func receive(_ raw: ByteBuffer, isLast: Bool) {
        guard ending == nil else { return }
        if let filterError {
            reply.cancel()
            return fail(filterError)
        }
        switch delivery {
        case .raw: downstream.send(raw, isLast: isLast)
        case .empty: if isLast { downstream.send(ByteBuffer(), isLast: true) }
        case .chunks, .plain:
            if isLast { filter?.finish(into: &pending) }
            sendPending(isLast: isLast)
        }
        if isLast {
            end(.complete)
        } else if !downstream.isWritable {
            reply.setReading(false)
        }
    }

    private func sendPending(isLast: Bool) {
        var out = ByteBuffer()
        if delivery == .chunks {
            if pending.readableBytes > 0 { HeadWriter.chunk(pending, into: &out) }
            if isLast { HeadWriter.lastChunk(into: &out) }
        } else {
            out = pending
        }
        pending = ByteBuffer()
        if out.readableBytes > 0 || isLast { downstream.send(out, isLast: isLast) }
    }

    func fail(_ error: GatewayError) {
        guard ending == nil else { return }
        if truncation == .errorEvent, delivery == .chunks {
            // A client of the compat endpoint is told in its own dialect, and still gets no end of the body.
            var note = ByteBuffer()
            note.writeStaticString(
                """
                data: {"error":{"message":"upstream closed the stream before completion",\
                "type":"upstream_error","code":"stream_truncated"}}\n\n
                """
            )
            var out = ByteBuffer()
            HeadWriter.chunk(note, into: &out)
            downstream.send(out, isLast: false)
        }
        downstream.abort()
        end(.truncated(error))
    }

    private func end(_ ending: Ending) {
        self.ending = ending
        downstream.onWritable(nil)
        usage?.finish()
        waiter?.resume(returning: ending)
        waiter = nil
    }

    /// Hands the captured payload over to the record.
    func takeCapture() -> (bytes: ByteBuffer?, isComplete: Bool) {
        let isComplete = capture.isComplete
        return (capture.take(), isComplete)
    }
}
