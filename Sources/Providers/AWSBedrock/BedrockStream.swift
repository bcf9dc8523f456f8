import GatewayCore
import NIOCore
import WireFormats

/// Turns the events of ConverseStream into chunks, one by one (providers.md §9.3).
struct BedrockStream: ChatStreamTranslator {
    /// What a content block of tool use becomes; other blocks need not be remembered.
    private enum Block {
        /// A call, by its place among all calls.
        case call(Int)
        /// The forced tool whose input is the answer's text.
        case output
        /// A call that is not told to the client.
        case hidden
    }

    private(set) var state = ChatStreamState.open
    private let terms: ChatTerms
    private let chat: BedrockChat
    private var chunks: ChatChunks?
    private var tally = UsageTally()
    /// The blocks of tool use that have begun and not ended, by their index among all blocks.
    private var blocks: [Int: (kind: Block, hasPieces: Bool)] = [:]
    private var calls = 0
    private var trail = ThinkingTrail()
    private var citations = CitationTrail()
    private var finish: ChatFinish?

    var notes: [ReasoningNote] { trail.notes }

    /// More blocks at one time than any answer has.
    private static let blockLimit = 1024

    init(_ terms: ChatTerms, _ chat: BedrockChat) {
        self.terms = terms
        self.chat = chat
    }

    mutating func take(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, into out: inout ByteBuffer
    ) {
        guard state == .open else { return }
        let view = JSONView(data)
        if name.isText("contentBlockDelta") { return delta(view, into: &out) }
        let type = String(decoding: name, as: UTF8.self)
        switch type {
        case "messageStart": _ = begun(into: &out)
        case "contentBlockStart": open(view.member("start")?.member("toolUse"), at: Self.index(view), into: &out)
        case "contentBlockStop": close(Self.index(view), into: &out)
        case "messageStop": finish = BedrockChat.finish(view.member("stopReason")) ?? finish
        case "metadata":
            if let usage = view.member("usage") { BedrockUsage.read(usage, &tally) }
            finish(into: &out)
        default:
            let prefix = EventReader.exceptionPrefix.description
            if type.hasPrefix(prefix) {
                state = .failed(chat.failure(type: String(type.dropFirst(prefix.count)), in: view))
            }
        }
    }

    private static func index(_ event: JSONView) -> Int { event.member("contentBlockIndex")?.int ?? 0 }

    /// The writer of chunks; the first one has been written.
    private mutating func begun(into out: inout ByteBuffer) -> ChatChunks {
        if let chunks { return chunks }
        let made = ChatChunks(id: terms.answerID, model: terms.model, terms)
        made.role(into: &out)
        chunks = made
        return made
    }

    private mutating func open(_ call: JSONView?, at index: Int, into out: inout ByteBuffer) {
        guard let call, blocks.count < Self.blockLimit else { return }
        let name = call.member("name")?.string ?? ""
        if call.member("type")?.string == "server_tool_use" {
            blocks[index] = (.hidden, false)
        } else if name == terms.outputTool {
            blocks[index] = (.output, false)
        } else if terms.callStyle == .function, calls > 0 {
            // A client of the deprecated form can be told of one call only.
            blocks[index] = (.hidden, false)
        } else {
            // The block's index counts texts and thoughts too, and is not the call's.
            blocks[index] = (.call(calls), false)
            let id = call.member("toolUseId")?.string ?? ""
            let chunks = begun(into: &out)
            citations.flush(chunks, into: &out)
            chunks.call(calls, id: id, name: name, into: &out)
            trail.add(call: id)
            calls += 1
        }
    }

    private mutating func delta(_ event: JSONView, into out: inout ByteBuffer) {
        guard let delta = event.member("delta") else { return }
        let index = Self.index(event)
        if let text = delta.member("text")?.piece {
            begun(into: &out).piece("content", text, into: &out)
        } else if let text = delta.member("toolUse")?.member("input")?.piece {
            guard let block = blocks[index] else { return }
            switch block.kind {
            case .call(let call): begun(into: &out).arguments(call, text, into: &out)
            case .output: begun(into: &out).piece("content", text, into: &out)
            case .hidden: return
            }
            blocks[index]?.hasPieces = true
        } else if let thought = delta.member("reasoningContent") {
            // The text before it is over.
            citations.flush(begun(into: &out), into: &out)
            trail.add(text: thought.member("text"), at: index)
            trail.add(signature: thought.member("signature"), at: index)
            trail.add(sealed: thought.member("redactedContent"), at: index)
            guard let text = thought.member("text")?.piece else { return }
            begun(into: &out).piece("reasoning_content", text, into: &out)
        } else if let citation = delta.member("citation"), citation.kind == .object {
            if !citations.isFull { citations.add(BedrockReply.annotation(citation, nil)) }
        }
    }

    private mutating func close(_ index: Int, into out: inout ByteBuffer) {
        if let whole = trail.close(index) { begun(into: &out).member("thinking_blocks", json: whole, into: &out) }
        guard let block = blocks.removeValue(forKey: index), !block.hasPieces else { return }
        switch block.kind {
        case .call(let call): begun(into: &out).noArguments(call, into: &out)
        case .output: begun(into: &out).piece("content", "{}", into: &out)
        case .hidden: break
        }
    }

    /// Ends the answer if the model has stopped; what it cost may stay unknown.
    mutating func finish(into out: inout ByteBuffer) {
        guard state == .open, let finish else { return }
        tally.usage.normalize()
        let chunks = begun(into: &out)
        citations.flush(chunks, into: &out)
        chunks.end(finish, hasCalls: calls > 0, tally.usage, into: &out)
        state = .complete
    }
}
