import GatewayCore
import NIOCore
import WireFormats

/// Turns a stream of Cohere's chat API into chunks, event by event (providers.md §10.3).
struct CohereStream: ChatStreamTranslator {
    private(set) var state = ChatStreamState.open
    private let terms: ChatTerms
    private let chat: CohereChat
    private var chunks: ChatChunks?
    private var tally = UsageTally()
    private var calls = 0
    private var citations = CitationTrail()
    /// The calls that have begun and not ended, by the event's index, which counts from zero for each kind of content.
    private var open: [Int: (call: Int, hasPieces: Bool)] = [:]

    /// More calls at one time than any answer has.
    private static let callLimit = 1024

    init(_ terms: ChatTerms, _ chat: CohereChat) {
        self.terms = terms
        self.chat = chat
    }

    mutating func take(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, into out: inout ByteBuffer
    ) {
        guard state == .open else { return }
        let view = JSONView(data)
        guard let type = view.member("type")?.string ?? Self.name(name) else {
            // An error is told as outside of streams.
            if view.member("message")?.kind == .string { state = .failed(chat.failure(in: view, status: 502)) }
            return
        }
        let delta = view.member("delta")
        let message = delta?.member("message")
        switch type {
        case "message-start": begin(view.member("id")?.string, into: &out)
        case "content-start", "content-delta":
            let content = message?.member("content")
            piece("content", content?.member("text"), into: &out)
            think(content?.member("thinking"), into: &out)
        case "tool-plan-delta": think(message?.member("tool_plan"), into: &out)
        case "tool-call-start": start(message?.member("tool_calls"), at: Self.index(view), into: &out)
        case "tool-call-delta":
            let function = message?.member("tool_calls")?.member("function")
            arguments(function?.member("arguments"), at: Self.index(view), into: &out)
        case "tool-call-end": close(Self.index(view), into: &out)
        case "citation-start":
            guard let citation = message?.member("citations"), citation.kind == .object, !citations.isFull else {
                return
            }
            citations.add(CohereReply.annotation(citation))
        case "message-end": end(delta, into: &out)
        case "error": state = .failed(chat.failure(in: view, status: 502))
        default: break
        }
    }

    private static func name(_ name: UnsafeRawBufferPointer) -> String? {
        name.isEmpty ? nil : String(decoding: name, as: UTF8.self)
    }

    private static func index(_ event: JSONView) -> Int { event.member("index")?.int ?? 0 }

    private mutating func begin(_ id: String?, into out: inout ByteBuffer) {
        guard chunks == nil else { return }
        let chunks = ChatChunks(id: id ?? "", model: terms.model, terms)
        chunks.role(into: &out)
        self.chunks = chunks
    }

    /// The writer of chunks; the first one has been written, whatever the stream began with.
    private mutating func begun(into out: inout ByteBuffer) -> ChatChunks {
        if let chunks { return chunks }
        let made = ChatChunks(id: "", model: terms.model, terms)
        made.role(into: &out)
        chunks = made
        return made
    }

    private mutating func piece(_ member: StaticString, _ text: JSONView?, into out: inout ByteBuffer) {
        guard let text = text?.piece else { return }
        begun(into: &out).piece(member, text, into: &out)
    }

    private mutating func think(_ thought: JSONView?, into out: inout ByteBuffer) {
        guard let thought = thought?.piece else { return }
        let chunks = begun(into: &out)
        // The text before it is over.
        citations.flush(chunks, into: &out)
        chunks.piece("reasoning_content", thought, into: &out)
    }

    private mutating func start(_ call: JSONView?, at index: Int, into out: inout ByteBuffer) {
        // A client of the deprecated form can be told of one call only.
        if terms.callStyle == .function, calls > 0 { return }
        guard let call, call.kind == .object, open.count < Self.callLimit else { return }
        let function = call.member("function")
        let chunks = begun(into: &out)
        citations.flush(chunks, into: &out)
        chunks.call(
            calls, id: call.member("id")?.string ?? "", name: function?.member("name")?.string ?? "", into: &out
        )
        open[index] = (calls, false)
        calls += 1
        arguments(function?.member("arguments"), at: index, into: &out)
    }

    private mutating func arguments(_ text: JSONView?, at index: Int, into out: inout ByteBuffer) {
        guard let chunks, let call = open[index], let text = text?.piece else { return }
        chunks.arguments(call.call, text, into: &out)
        open[index]?.hasPieces = true
    }

    /// Calls without arguments get an empty object.
    private mutating func close(_ index: Int, into out: inout ByteBuffer) {
        guard let chunks, let call = open.removeValue(forKey: index), !call.hasPieces else { return }
        chunks.noArguments(call.call, into: &out)
    }

    /// A stream that does not say why it ended has not ended.
    private mutating func end(_ delta: JSONView?, into out: inout ByteBuffer) {
        if let usage = delta?.member("usage") { CohereUsage.read(usage, &tally) }
        let error = delta?.member("error").flatMap { $0.isNull ? nil : $0 }
        switch CohereChat.Ending(delta?.member("finish_reason")) {
        case .failed(let status): fail(delta, status: status)
        case .stopped where error != nil: fail(delta, status: 502)
        case .stopped(let finish?):
            let chunks = begun(into: &out)
            for index in open.keys.sorted() { close(index, into: &out) }
            citations.flush(chunks, into: &out)
            tally.usage.normalize()
            chunks.end(finish, hasCalls: calls > 0, tally.usage, into: &out)
            state = .complete
        case .stopped(nil): break
        }
    }

    private mutating func fail(_ delta: JSONView?, status: Int) {
        let failure = delta.map { chat.failure(in: $0, status: status) }
        state = .failed(
            failure ?? ChatFailure(status: status, message: "The provider gave no reason", provider: chat.provider))
    }
}
