import GatewayCore
import NIOCore
import Providers
import WireFormats

/// A provider's event stream, handed on event by event in OpenAI's form.
///
/// A stream that ends without its closing event, or breaks off, ends towards the client with an error event and no
/// end of the body; a reason to stop is never made up (providers.md §3).
@WorkerLoop
final class TranslatedStream: TranslatedReply, ReplySink {
    let head: ResponseHead
    let usage: UsageReader?
    private let reply: any UpstreamReply
    private var translator: any ChatStreamTranslator
    private var events: EventReader
    /// Events that have not been handed on.
    private var pending = ByteBuffer()
    private var sink: (any ReplySink)?
    private var end: End?
    /// Told what is to be remembered of the answer's reasoning, before the client sees the end of it.
    var noted: (@WorkerLoop ([ReasoningNote]) -> Void)?
    private var waiter: CheckedContinuation<Void, Never>?
    private var isOver = false

    private enum End {
        case complete
        /// Known to the client by an event.
        case broken(GatewayError)
    }

    init(
        _ reply: any UpstreamReply, _ framing: EventFraming, _ head: ResponseHead,
        _ translator: any ChatStreamTranslator, _ usage: UsageReader?
    ) {
        events = EventReader(framing)
        self.reply = reply
        self.head = head
        self.translator = translator
        self.usage = usage
    }

    // MARK: Before the client is told anything

    /// Waits for something to tell the client.
    ///
    /// - Parameter limit: how long; nil for as long as it takes.
    /// - Returns: what the provider failed at instead, if it did so at once.
    /// - Errors: `.requestTimedOut`, or the provider's failure.
    func open(
        _ cancel: CancelHook, within limit: Duration?, _ timers: any Timers
    ) async throws(GatewayError) -> ChatFailure? {
        let timer = limit.map { timers.after($0) { [weak self] in self?.expire() } }
        defer { timer?.cancel() }
        cancel.onCancel { [weak self] in
            guard let self else { return }
            reply.cancel()
            finish(.broken(GatewayError(.providerUnreachable, origin: .client, detail: "cancelled")))
        }
        if end == nil { reply.relay(to: self) }
        if end == nil, pending.readableBytes == 0 { await withCheckedContinuation { waiter = $0 } }
        cancel.onCancel(nil)
        guard pending.readableBytes == 0, let end else { return nil }
        isOver = true
        if case .failed(let failure) = translator.state {
            reply.cancel()
            return failure
        }
        switch end {
        case .broken(let error): throw error
        case .complete: throw Self.cut
        }
    }

    private func expire() {
        guard end == nil, sink == nil, pending.readableBytes == 0 else { return }
        reply.cancel()
        finish(
            .broken(GatewayError(.requestTimedOut, origin: .provider, detail: "the stream did not begin in time")))
    }

    private func wake() {
        waiter?.resume()
        waiter = nil
    }

    // MARK: Towards the client

    func relay(to sink: any ReplySink) {
        guard !isOver else { return }
        self.sink = sink
        deliver()
        if end == nil { reply.setReading(true) }
    }

    func setReading(_ reading: Bool) {
        if end == nil { reply.setReading(reading) }
    }

    func cancel() {
        guard !isOver else { return }
        isOver = true
        sink = nil
        reply.cancel()
    }

    // MARK: From the provider

    func observe(_ payload: UnsafeRawBufferPointer) {
        guard end == nil else { return }
        usage?.feed(payload)
        do {
            try events.feed(payload) { name, data in translator.take(name, data, into: &pending) }
        } catch {
            let error = GatewayError(.providerUnreachable, origin: .provider, detail: "its events cannot be read")
            finish(.broken(error), note: Self.cutNote)
        }
    }

    func receive(_ raw: ByteBuffer, isLast: Bool) {
        guard !isOver else { return }
        if isLast, end == nil {
            // What lacks its blank line is an event when it is whole, and else the beginning of one.
            events.finish { name, data in
                guard Self.isWhole(data) else { return }
                translator.take(name, data, into: &pending)
            }
            translator.finish(into: &pending)
        }
        switch translator.state {
        case .failed(let failure):
            // Told as an event, unless nothing was told yet: then there is a status for it.
            let error = GatewayError(
                .providerUnreachable, origin: .provider, detail: "the provider reported an error in its stream"
            )
            finish(.broken(error), note: failure.event)
        case .complete:
            note()
            if isLast { finish(.complete) }
        case .open: if isLast { finish(.broken(Self.cut), note: Self.cutNote) }
        }
        if case .broken = end, !isLast { reply.cancel() }
        if sink == nil {
            // What has come is enough to begin with; the rest waits for the client.
            if pending.readableBytes > 0, !isLast, end == nil { reply.setReading(false) }
            if pending.readableBytes > 0 || end != nil { wake() }
            return
        }
        deliver()
    }

    func fail(_ error: GatewayError) {
        guard !isOver else { return }
        if end == nil { translator.finish(into: &pending) }
        // After the closing event nothing is missing.
        if translator.state == .complete {
            note()
            finish(.complete)
        } else {
            finish(.broken(error), note: Self.cutNote)
        }
        if sink != nil { deliver() }
    }

    /// Tells what is to be remembered, once, before the client sees the end and may come with its next request.
    private func note() {
        guard let noted else { return }
        self.noted = nil
        let notes = translator.notes
        if !notes.isEmpty { noted(notes) }
    }

    private static func isWhole(_ data: UnsafeRawBufferPointer) -> Bool {
        data.elementsEqual("[DONE]".utf8) || JSONScan.validate(data)
    }

    private static var cut: GatewayError {
        GatewayError(.providerUnreachable, origin: .provider, detail: "the stream ended before its closing event")
    }

    private static var cutNote: ByteBuffer { ByteBuffer(staticString: ReplyRelay.truncationNote) }

    /// - Parameter note: the event that tells a client who has been told something already.
    private func finish(_ end: End, note: ByteBuffer? = nil) {
        guard self.end == nil else { return }
        self.end = end
        if let note, sink != nil || pending.readableBytes > 0 { pending.writeImmutableBuffer(note) }
        if sink == nil { wake() }
    }

    /// Hands on what there is.
    private func deliver() {
        guard let sink, !isOver else { return }
        let part = pending
        pending = ByteBuffer()
        if part.readableBytes > 0 { part.withUnsafeReadableBytes { sink.observe($0) } }
        switch end {
        case nil: if part.readableBytes > 0 { send(part, to: sink, isLast: false) }
        case .complete:
            isOver = true
            self.sink = nil
            send(part, to: sink, isLast: true)
        case .broken(let error):
            isOver = true
            self.sink = nil
            if part.readableBytes > 0 { send(part, to: sink, isLast: false) }
            sink.fail(error)
        }
    }

    private func send(_ part: ByteBuffer, to sink: any ReplySink, isLast: Bool) {
        var raw = ByteBuffer()
        if part.readableBytes > 0 { HeadWriter.chunk(part, into: &raw) }
        if isLast { HeadWriter.lastChunk(into: &raw) }
        sink.receive(raw, isLast: isLast)
    }
}
