import GatewayCore
import NIOCore
import WireFormats

/// Turns a Messages stream into chunks, event by event (providers.md §7.5).
struct AnthropicStream: ChatStreamTranslator {
    /// What a content block becomes.
    private enum Block {
        case text, reasoning
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
    private var finish: ChatFinish?

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
            finish = AnthropicChat.finish(view.member("delta")?.member("stop_reason")) ?? finish
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
            blocks[index] = (.text, false)
            piece("content", content?.member("text"), of: index, chunks, into: &out)
        case "thinking":
            blocks[index] = (.reasoning, false)
            piece("reasoning_content", content?.member("thinking"), of: index, chunks, into: &out)
        case "tool_use":
            let name = content?.member("name")?.string ?? ""
            if name == terms.outputTool {
                blocks[index] = (.output, false)
                return
            }
            // A client of the deprecated form can be told of one call only.
            if terms.callStyle == .function, calls > 0 { return }
            blocks[index] = (.call(calls), false)
            chunks.call(calls, id: content?.member("id")?.string ?? "", name: name, into: &out)
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
        case .text: piece("content", delta.member("text"), of: index, chunks, into: &out)
        case .reasoning: piece("reasoning_content", delta.member("thinking"), of: index, chunks, into: &out)
        case .output: piece("content", delta.member("partial_json"), of: index, chunks, into: &out)
        case .call(let call):
            guard let text = delta.member("partial_json")?.piece else { return }
            chunks.arguments(call, text, into: &out)
            blocks[index]?.hasPieces = true
        }
    }

    private mutating func piece(
        _ member: StaticString, _ text: JSONView?, of index: Int, _ chunks: ChatChunks, into out: inout ByteBuffer
    ) {
        guard let text = text?.piece else { return }
        chunks.piece(member, text, into: &out)
        blocks[index]?.hasPieces = true
    }

    private mutating func close(_ index: Int, into out: inout ByteBuffer) {
        guard let chunks, let block = blocks.removeValue(forKey: index), !block.hasPieces else { return }
        switch block.kind {
        case .call(let call): chunks.noArguments(call, into: &out)
        case .output: chunks.piece("content", "{}", into: &out)
        case .text, .reasoning: break
        }
    }

    /// A stream that does not say why it ended has not ended.
    private mutating func end(into out: inout ByteBuffer) {
        guard let chunks, let finish else { return }
        tally.usage.normalize()
        chunks.end(finish, hasCalls: calls > 0, tally.usage, into: &out)
        state = .complete
    }
}
