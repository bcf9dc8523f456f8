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

    /// The event that tells a client of the compat endpoint that its stream is incomplete (providers.md §3).
    nonisolated static let truncationNote: StaticString = """
        data: {"error":{"message":"upstream closed the stream before completion",\
        "type":"upstream_error","code":"stream_truncated"}}\n\n
        """

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
    /// Nil while the answer is being relayed.
    private(set) var ending: Ending?
    private var waiter: (@WorkerLoop () -> Void)?
    /// Where the answer is reported for others.
    private let lead: (any AnswerLead)?
    /// The client has gone, others still wait for the answer.
    private var isDetached = false
    private var isLeadDone = false
    /// Whether the provider is held back because the client reads slowly.
    private var isPaused = false
    private var isWatching = false
    private var isUsageFinal = false
    /// Whether the answer's bytes are its payload and go to the client as they are.
    private let isPayloadRaw: Bool
    /// Whether an answer without its closing event is an incomplete one.
    private let needsTerminal: Bool
    private let timers: any Timers

    init(
        reply: any UpstreamReply, downstream: any Downstream, delivery: AnswerHead.Delivery, shape: ReplyShape,
        truncation: Truncation, usage: UsageReader?, capture: PayloadCapture, allowance: Int,
        lead: (any AnswerLead)? = nil, needsTerminal: Bool = false, timers: any Timers
    ) {
        self.reply = reply
        self.downstream = downstream
        self.delivery = delivery
        self.truncation = truncation
        self.usage = usage
        self.capture = capture
        self.allowance = allowance
        self.lead = lead
        self.needsTerminal = needsTerminal
        self.timers = timers
        if delivery == .raw, case .length = reply.head.framing { isPayloadRaw = true } else { isPayloadRaw = false }
        if shape == .withoutUsageChunk, delivery == .chunks || delivery == .plain { filter = UsageChunkFilter() }
    }

    /// Begins to relay; an answer that is here already is relayed within the call.
    func start() { reply.relay(to: self) }

    /// Calls back when the answer has ended one way or another: at once when it has.
    func whenEnded(_ action: @escaping @WorkerLoop () -> Void) {
        if ending == nil { waiter = action } else { action() }
    }

    /// The client closed its connection before the end.
    func clientGone() {
        guard ending == nil, !isDetached else { return }
        if let lead, lead.isAwaited {
            isDetached = true
            downstream.onWritable(nil)
            watchAudience()
            return reply.setReading(true)
        }
        abandon()
    }

    private func abandon() {
        isLeadDone = true
        lead?.end(.abandoned)
        reply.cancel()
        end(.clientGone)
    }

    /// Looks now and then whether others wait for the answer: a client that has gone, or that reads slowly, decides
    /// about it only as long as nobody does.
    private func watchAudience() {
        timers.after(Exchange.audienceCheck) { [weak self] in
            guard let self, self.ending == nil else { return }
            let isAwaited = self.lead?.isAwaited == true
            if self.isDetached, !isAwaited { return self.abandon() }
            if !self.isDetached, self.isPaused, isAwaited {
                self.isPaused = false
                self.reply.setReading(true)
            }
            if self.isDetached || self.isPaused { self.watchAudience() } else { self.isWatching = false }
        }
    }

    func observe(_ payload: UnsafeRawBufferPointer) {
        guard ending == nil, !isPayloadRaw else { return }
        payloadBytes += payload.count
        usage?.feed(payload)
        capture.append(payload, allowance: &allowance)
        if filter == nil { lead?.append(payload) }
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

    /// The same for bytes that carry nothing but payload.
    ///
    /// An answer that is here at once is kept where it lies; of longer ones each piece would hold the buffer that it
    /// was read into, however little of it it is.
    private func take(_ payload: ByteBuffer, isLast: Bool) {
        let isWhole = isLast && payloadBytes == 0 && payload.storageCapacity <= 4 * payload.readableBytes
        payloadBytes += payload.readableBytes
        payload.withUnsafeReadableBytes { bytes in
            usage?.feed(bytes)
            guard !isWhole else { return }
            capture.append(bytes, allowance: &allowance)
            lead?.append(bytes)
        }
        guard isWhole else { return }
        capture.keep(payload, allowance: &allowance)
        lead?.append(whole: payload)
    }

    func receive(_ raw: ByteBuffer, isLast: Bool) {
        guard ending == nil else { return }
        if isPayloadRaw { take(raw, isLast: isLast) }
        if let filterError {
            reply.cancel()
            return fail(filterError)
        }
        if isLast, isCut { return cut(raw) }
        switch delivery {
        case .raw: if !isDetached { downstream.send(raw, isLast: isLast) }
        case .empty: if isLast, !isDetached { downstream.send(ByteBuffer(), isLast: true) }
        case .chunks, .plain:
            if isLast { filter?.finish(into: &pending) }
            sendPending(isLast: isLast)
        }
        if isLast {
            finishUsage()
            if let lead { lead.end(outcome) }
            isLeadDone = true
            end(isDetached ? .clientGone : .complete)
        } else if !isDetached, !downstream.isWritable, lead?.isAwaited != true {
            // Who waits for the same answer does not wait for this client; the lead bounds what that may cost.
            downstream.onWritable { [weak self] in self?.resume() }
            isPaused = true
            reply.setReading(false)
            if lead != nil, !isWatching {
                isWatching = true
                watchAudience()
            }
        }
    }

    /// Whether a stream that its connection calls complete lacks the end that its dialect has (providers.md §3).
    private var isCut: Bool {
        guard needsTerminal, let usage else { return false }
        finishUsage()
        return usage.isUnfinished
    }

    /// Hands over the last bytes of such a stream, and not the end of the body.
    private func cut(_ raw: ByteBuffer) {
        switch delivery {
        case .raw:
            var rest = raw
            let end: [UInt8] = Array("0\r\n\r\n".utf8)
            let isEnd = rest.readableBytesView.suffix(end.count).elementsEqual(end)
            rest.moveWriterIndex(to: rest.writerIndex - min(isEnd ? end.count : 2, rest.readableBytes))
            if !isDetached, rest.readableBytes > 0 { downstream.send(rest, isLast: false) }
        case .empty: break
        case .chunks, .plain:
            filter?.finish(into: &pending)
            sendPending(isLast: false)
        }
        fail(
            GatewayError(
                .providerUnreachable, origin: .provider, detail: "the stream ended before its closing event"
            )
        )
    }

    /// Lets the reader take in what the end of the answer tells; once.
    private func finishUsage() {
        guard !isUsageFinal else { return }
        isUsageFinal = true
        usage?.finish()
    }

    private func resume() {
        isPaused = false
        reply.setReading(true)
    }

    /// Whether the answer says of itself that nothing is missing, where it has a way to say so.
    private var isWhole: Bool {
        guard needsTerminal, let usage else { return true }
        return usage.sawTerminal && !usage.sawErrorEvent
    }

    /// What a lead is told of an answer that has come to its end.
    private var outcome: LeadOutcome {
        guard isWhole else { return .unkept }
        // Without a filter the lead has got the bytes that were read.
        return filter == nil && usage?.sawDocument == true ? .completeDocument : .complete
    }

    private func sendPending(isLast: Bool) {
        if filter != nil, let lead { pending.withUnsafeReadableBytes { lead.append($0) } }
        guard !isDetached else {
            pending = ByteBuffer()
            return
        }
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
        if truncation == .errorEvent, delivery == .chunks, !isDetached {
            // A client of the compat endpoint is told in its own dialect, and still gets no end of the body.
            var note = ByteBuffer()
            note.writeStaticString(Self.truncationNote)
            var out = ByteBuffer()
            HeadWriter.chunk(note, into: &out)
            downstream.send(out, isLast: false)
        }
        if !isDetached { downstream.abort() }
        end(.truncated(error))
    }

    private func end(_ ending: Ending) {
        self.ending = ending
        // Nothing but a complete answer is of use to others.
        if !isLeadDone { lead?.end(.failed) }
        downstream.onWritable(nil)
        finishUsage()
        let waiter = waiter
        self.waiter = nil
        waiter?()
    }

    /// Hands the captured payload over to the record.
    func takeCapture() -> (bytes: ByteBuffer?, isComplete: Bool) {
        let isComplete = capture.isComplete
        return (capture.take(), isComplete)
    }
}
