import GatewayCore
import NIOCore
import WireFormats

/// Turns a Messages stream into chunks, event by event (providers.md §7.5).
struct AnthropicStream: ChatStreamTranslator {
    /// What a content block becomes.
    private enum Block {
        /// Text that begins behind so many Unicode scalars.
        case text(start: Int)
        case reasoning
        /// A call, by its place among all calls.
        case call(Int)
        /// The forced tool whose input is the answer's text.
        case output
    }

    private(set) var state = ChatStreamState.open
    private let terms: ChatTerms
    private let chat: AnthropicChat
    private var chunks: ChatChunks?
    private var tally = UsageTally()
    /// The blocks that have begun and not ended, by their index.
    private var blocks: [Int: (kind: Block, hasPieces: Bool)] = [:]
    private var calls = 0
    private var trail = ThinkingTrail()
    /// Unicode scalars of the text so far.
    private var textLength = 0
    private var citations = CitationTrail()
    private var refusal: String?
    private var finish: ChatFinish?

    var notes: [ReasoningNote] { trail.notes }

    init(_ terms: ChatTerms, _ chat: AnthropicChat) {
        self.terms = terms
        self.chat = chat
    }

    mutating func take(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, into out: inout ByteBuffer
    ) {
        guard state == .open else { return }
        let view = JSONView(data)
        // The name repeats the type; hosts in front of the API are known to lose one of them.
        if name.isText("content_block_delta") { return delta(view, into: &out) }
        switch view.member("type")?.string ?? String(decoding: name, as: UTF8.self) {
        case "content_block_delta": delta(view, into: &out)
        case "message_start": begin(view.member("message"), into: &out)
        case "content_block_start": open(view.member("content_block"), at: Self.index(view), into: &out)
        case "content_block_stop": close(Self.index(view), into: &out)
        case "message_delta":
            if let usage = view.member("usage") { AnthropicUsage.read(usage, &tally) }
            guard let delta = view.member("delta") else { return }
            finish = AnthropicChat.finish(delta.member("stop_reason")) ?? finish
            if finish == .contentFilter { refusal = AnthropicReply.refusal(in: delta) ?? refusal }
        case "message_stop": end(into: &out)
        case "error": state = .failed(chat.failure(in: view, status: nil))
        default: break
        }
    }

    private mutating func begin(_ message: JSONView?, into out: inout ByteBuffer) {
        guard chunks == nil else { return }
        if let usage = message?.member("usage") { AnthropicUsage.read(usage, &tally) }
        let chunks = ChatChunks(
            id: message?.member("id")?.string ?? "", model: message?.member("model")?.string ?? "", terms
        )
        chunks.role(into: &out)
        self.chunks = chunks
    }

    private static func index(_ event: JSONView) -> Int { event.member("index")?.int ?? 0 }

    private mutating func open(_ content: JSONView?, at index: Int, into out: inout ByteBuffer) {
        guard let chunks, blocks.count < Self.blockLimit else { return }
        switch content?.member("type")?.string {
        case "text":
            blocks[index] = (.text(start: textLength), false)
            text(content?.member("text"), of: index, chunks, into: &out)
        case "thinking":
            blocks[index] = (.reasoning, false)
            citations.flush(chunks, into: &out)
            think(content, of: index, chunks, into: &out)
        case "redacted_thinking":
            blocks[index] = (.reasoning, false)
            citations.flush(chunks, into: &out)
            trail.add(sealed: content?.member("data"), at: index)
        case "tool_use":
            let name = content?.member("name")?.string ?? ""
            if name == terms.outputTool {
                blocks[index] = (.output, false)
                return
            }
            // A client of the deprecated form can be told of one call only.
            if terms.callStyle == .function, calls > 0 { return }
            blocks[index] = (.call(calls), false)
            citations.flush(chunks, into: &out)
            let id = content?.member("id")?.string ?? ""
            chunks.call(calls, id: id, name: name, into: &out)
            trail.add(call: id)
            calls += 1
        default: break
        }
    }

    /// More blocks at one time than any answer has.
    private static let blockLimit = 1024

    private mutating func delta(_ event: JSONView, into out: inout ByteBuffer) {
        let index = Self.index(event)
        guard let chunks, let block = blocks[index], let delta = event.member("delta") else { return }
        switch block.kind {
        case .text:
            if let citation = delta.member("citation") {
                guard !citations.isFull, let page = AnthropicReply.citation(citation, nil) else { return }
                citations.add(page, of: index)
            } else {
                text(delta.member("text"), of: index, chunks, into: &out)
            }
        case .reasoning: think(delta, of: index, chunks, into: &out)
        case .output: piece("content", delta.member("partial_json"), of: index, chunks, into: &out)
        case .call(let call):
            guard let text = delta.member("partial_json")?.piece else { return }
            chunks.arguments(call, text, into: &out)
            blocks[index]?.hasPieces = true
        }
    }

    private mutating func text(
        _ text: JSONView?, of index: Int, _ chunks: ChatChunks, into out: inout ByteBuffer
    ) {
        if let text, text.piece != nil { textLength += text.scalarCount }
        piece("content", text, of: index, chunks, into: &out)
    }

    private mutating func think(
        _ thought: JSONView?, of index: Int, _ chunks: ChatChunks, into out: inout ByteBuffer
    ) {
        let text = thought?.member("thinking")
        trail.add(text: text, at: index)
        trail.add(signature: thought?.member("signature"), at: index)
        piece("reasoning_content", text, of: index, chunks, into: &out)
    }

    private mutating func piece(
        _ member: StaticString, _ text: JSONView?, of index: Int, _ chunks: ChatChunks, into out: inout ByteBuffer
    ) {
        guard let text = text?.piece else { return }
        chunks.piece(member, text, into: &out)
        blocks[index]?.hasPieces = true
    }

    private mutating func close(_ index: Int, into out: inout ByteBuffer) {
        guard let chunks, let block = blocks.removeValue(forKey: index) else { return }
        switch block.kind {
        case .call(let call): if !block.hasPieces { chunks.noArguments(call, into: &out) }
        case .output: if !block.hasPieces { chunks.piece("content", "{}", into: &out) }
        case .text(let start): citations.close(index, over: start..<textLength)
        case .reasoning:
            if let whole = trail.close(index) { chunks.member("thinking_blocks", json: whole, into: &out) }
        }
    }

    /// A stream that does not say why it ended has not ended.
    private mutating func end(into out: inout ByteBuffer) {
        guard let chunks, let finish else { return }
        citations.flush(chunks, into: &out)
        if let refusal { chunks.piece("refusal", refusal, into: &out) }
        tally.usage.normalize()
        chunks.end(finish, hasCalls: calls > 0, tally.usage, into: &out)
        state = .complete
    }
}
