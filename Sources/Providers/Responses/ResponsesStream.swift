import GatewayCore
import NIOCore
import WireFormats

/// The chunks of a streamed chat as events of the Responses API, in the order that its clients rely on.
///
/// - Limit: an answer of more than 32 MiB fails, because its last event repeats all of it.
struct ResponsesStream: ChatStreamTranslator {
    private static let limit = 32 << 20

    /// What makes chunks of the provider's events; nil: they are chunks.
    private var chat: (any ChatStreamTranslator)?
    private let provider: String
    private var events: ResponsesEvents
    private(set) var state = ChatStreamState.open
    private var finish: String?
    private var length = 0
    private var parser = SSEParser()
    /// Item of the message or the reasoning that is being told.
    private var current: Int?
    /// Items of calls by the index of the chat.
    private var calls: [Int: Int] = [:]

    init(of chat: (any ChatStreamTranslator)?, _ echo: ResponsesEcho, provider: String) {
        self.chat = chat
        self.provider = provider
        events = ResponsesEvents(ResponsesAnswer(echo))
    }

    var notes: [ReasoningNote] { chat?.notes ?? [] }

    mutating func take(_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, into out: inout ByteBuffer) {
        guard state == .open else { return }
        guard chat != nil else { return take(chunk: data, into: &out) }
        var chunks = ByteBuffer()
        chat?.take(name, data, into: &chunks)
        relay(chunks, into: &out)
    }

    mutating func finish(into out: inout ByteBuffer) {
        guard state == .open else { return }
        var chunks = ByteBuffer()
        chat?.finish(into: &chunks)
        relay(chunks, into: &out)
        // Some providers close right after the last chunk (providers.md §3).
        if chat == nil, finish != nil, state == .open { complete(into: &out) }
    }

    private mutating func relay(_ chunks: ByteBuffer, into out: inout ByteBuffer) {
        if chunks.readableBytes > 0 {
            var parser = parser
            do {
                try chunks.withUnsafeReadableBytes { bytes throws(SSEError) in
                    try parser.feed(bytes) { _, data in take(chunk: data, into: &out) }
                }
            } catch {
                fail(ChatFailure(status: 502, message: "An event is too long", provider: provider), into: &out)
            }
            self.parser = parser
        }
        if state == .open, case .failed(let failure)? = chat?.state { fail(failure, into: &out) }
    }

    private mutating func take(chunk data: UnsafeRawBufferPointer, into out: inout ByteBuffer) {
        guard state == .open else { return }
        if data.isText("[DONE]") {
            // Without a reason to stop it is no end.
            if finish != nil { complete(into: &out) }
            return
        }
        let chunk = JSONView(data)
        if let error = chunk.member("error"), !error.isNull {
            return fail(Self.failure(error, provider), into: &out)
        }
        guard chunk.kind == .object else { return }
        length += data.count
        guard length <= Self.limit else {
            return fail(ChatFailure(status: 502, message: "The answer is too long", provider: provider), into: &out)
        }
        events.begin(chunk, into: &out)
        events.answer.take(usage: chunk.member("usage"))
        guard let choice = chunk.member("choices")?.firstElement else { return }
        if let delta = choice.member("delta") { take(delta, into: &out) }
        if let reason = choice.member("finish_reason")?.string, !reason.isEmpty { finish = reason }
    }

    private mutating func take(_ delta: JSONView, into out: inout ByteBuffer) {
        if let text = (delta.member("reasoning_content") ?? delta.member("reasoning"))?.string, !text.isEmpty {
            let index = open(.reasoning, into: &out)
            events.reasoning(text, in: index, into: &out)
        }
        if let text = delta.member("content")?.string, !text.isEmpty {
            let index = open(.message, into: &out)
            events.text(text, in: index, into: &out)
        }
        if let text = delta.member("refusal")?.string, !text.isEmpty {
            let index = open(.message, into: &out)
            events.refusal(text, in: index, into: &out)
        }
        delta.member("annotations")?.forEachElement { annotation in
            guard let index = openForAnnotation(into: &out) else { return }
            events.annotation(ResponsesItem.annotation(annotation), in: index, into: &out)
        }
        delta.member("thinking_blocks")?.forEachElement { block in
            let index = open(.reasoning, into: &out)
            events.block(String(decoding: block.bytes, as: UTF8.self), in: index)
        }
        delta.member("tool_calls")?.forEachElement { call in take(call: call, into: &out) }
    }

    private mutating func take(call: JSONView, into out: inout ByteBuffer) {
        let function = call.member("function")
        let number = call.member("index")?.int ?? 0
        let index: Int
        if let known = calls[number] {
            index = known
        } else {
            closeCurrent(into: &out)
            let kind = ResponsesItem.Kind.call(
                id: call.member("id")?.string ?? "", name: function?.member("name")?.string ?? "")
            index = events.add(kind, into: &out)
            calls[number] = index
        }
        if let extra = call.member("extra_content"), extra.kind == .object {
            events.answer.items[index].extra = String(decoding: extra.bytes, as: UTF8.self)
        }
        if let piece = function?.member("arguments")?.string, !piece.isEmpty {
            events.arguments(piece, in: index, into: &out)
        }
    }

    private enum Telling { case reasoning, message }

    /// The item of this kind, opened where another one was being told.
    private mutating func open(_ kind: Telling, into out: inout ByteBuffer) -> Int {
        if let current {
            switch (events.answer.items[current].kind, kind) {
            case (.reasoning, .reasoning), (.message, .message): return current
            default: closeCurrent(into: &out)
            }
        }
        let index = events.add(kind == .reasoning ? .reasoning : .message, into: &out)
        current = index
        return index
    }

    /// The message for something that it rests on; nil where it is over already.
    private mutating func openForAnnotation(into out: inout ByteBuffer) -> Int? {
        if let current, events.answer.items[current].isMessage { return current }
        return events.answer.items.contains(where: \.isMessage) ? nil : open(.message, into: &out)
    }

    private mutating func closeCurrent(into out: inout ByteBuffer) {
        guard let current else { return }
        self.current = nil
        events.close(current, .complete, by: provider, into: &out)
    }

    private mutating func complete(into out: inout ByteBuffer) {
        let status = ResponsesAnswer.Status(finish: finish)
        let isWhole = status == .completed
        closeCurrent(into: &out)
        for index in calls.values.sorted() {
            events.close(index, isWhole ? .complete : .cut, by: provider, into: &out)
        }
        events.end(status, into: &out)
        state = .complete
    }

    private mutating func fail(_ failure: ChatFailure, into out: inout ByteBuffer) {
        state = .failed(failure)
        // Before anything was told it is a status and no event.
        if events.hasBegun { events.end(.failed(message: failure.message, code: failure.code), into: &out) }
    }

    /// An error object of OpenAI's in a place where an answer should have been.
    static func failure(_ error: JSONView, _ provider: String) -> ChatFailure {
        let code = error.member("code")?.int ?? error.member("status")?.int
        let status = code.flatMap { (400...599).contains($0) ? $0 : nil } ?? 502
        let message = error.member("message")?.string ?? error.string ?? "The provider gave no reason"
        return ChatFailure(status: status, message: message, provider: provider)
    }
}
