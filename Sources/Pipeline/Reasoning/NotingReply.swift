import GatewayCore
import NIOCore
import Providers

/// A provider's answer that is read for its reasoning on its way, otherwise untouched.
@WorkerLoop
final class NotingReply: UpstreamReply, ReplySink {
    private let reply: any UpstreamReply
    private let store: any ReasoningStore
    private let scope: ReasoningScope
    private var reader: EchoReader
    private var sink: (any ReplySink)?
    private var isNoted = false

    /// The answer, read on its way if there is something to be found in it.
    static func noting(
        _ reply: any UpstreamReply, _ store: any ReasoningStore, in scope: ReasoningScope
    ) -> any UpstreamReply {
        let kind = StreamKind(of: reply.head)
        guard (200..<300).contains(reply.head.status), kind == .whole || kind == .sse else {
            return reply
        }
        return NotingReply(reply, kind, store, scope)
    }

    private init(
        _ reply: any UpstreamReply, _ kind: StreamKind, _ store: any ReasoningStore, _ scope: ReasoningScope
    ) {
        self.reply = reply
        self.store = store
        self.scope = scope
        reader = EchoReader(kind)
    }

    var head: ResponseHead { reply.head }

    func relay(to sink: any ReplySink) {
        self.sink = sink
        reply.relay(to: self)
    }

    func setReading(_ reading: Bool) { reply.setReading(reading) }

    func cancel() {
        sink = nil
        reply.cancel()
    }

    func observe(_ payload: UnsafeRawBufferPointer) {
        reader.feed(payload)
        sink?.observe(payload)
    }

    func receive(_ raw: ByteBuffer, isLast: Bool) {
        // Before the client sees the end: it may come with its next request at once, and to another worker.
        if isLast || reader.hasEnded { note() }
        sink?.receive(raw, isLast: isLast)
        if isLast { sink = nil }
    }

    private func note() {
        guard !isNoted else { return }
        isNoted = true
        let notes = reader.notes()
        if !notes.isEmpty { store.keep(notes, of: .text, in: scope) }
    }

    func fail(_ error: GatewayError) {
        sink?.fail(error)
        sink = nil
    }
}
