import GatewayCore
import NIOCore
import WireFormats

/// The history of a chat as Converse wants it: system apart, neighbours of one role merged, a user first.
struct BedrockTurns {
    private enum Role: String { case user, assistant }

    private struct Turn {
        var role: Role
        /// JSON text of each content block; a model's own turn has its thoughts first and its calls last.
        var thoughts: [ByteBuffer] = []
        var blocks: [ByteBuffer] = []
        var calls: [ByteBuffer] = []
        var hasDocument = false
        var hasText = false
        /// The turn's last text, while it may still have to be shortened.
        var trailingText: String?

        var all: [ByteBuffer] { thoughts + blocks + calls }
    }

    private let supplements: ChatSupplements
    private var system: [ByteBuffer] = []
    private var turns: [Turn] = []
    private var documents: Set<String> = []

    /// What stands for a message without content, which is refused.
    private static let nothing = "(empty)"

    init(_ supplements: ChatSupplements) { self.supplements = supplements }

    mutating func add(
        _ message: ChatMessage, _ names: inout ChatNames, _ callIDs: inout ChatNames
    ) throws(GatewayError) {
        switch message.role {
        case .system:
            for part in message.parts {
                guard case .text(let text, let cacheControl) = part else {
                    throw ChatCompletionRequest.refusal("system messages may hold text only for this provider")
                }
                guard !Self.isBlank(text) else { continue }
                system.append(Self.text(text))
                if let cacheControl { system.append(Self.cachePoint(cacheControl)) }
            }
        case .user:
            var turn = try content(.user, message.parts)
            if turn.blocks.isEmpty { turn.blocks = [Self.text(Self.nothing)] }
            append(turn)
        case .assistant:
            var turn = try content(.assistant, message.parts)
            turn.thoughts = message.thinking.map { thought in
                var out = JSONWriter()
                thought.writeConverse(into: &out)
                return out.buffer
            }
            if message.calls.isEmpty, case .text(let last, nil) = message.parts.last, !Self.isBlank(last) {
                turn.trailingText = last
            }
            for call in message.calls {
                var out = JSONWriter()
                out.beginObject()
                out.key("toolUse")
                out.beginObject()
                out.key("toolUseId")
                out.string(callIDs.accepted(call.id))
                out.key("name")
                out.string(names.accepted(call.name))
                out.key("input")
                out.raw(call.arguments)
                out.endObject()
                out.endObject()
                turn.calls.append(out.buffer)
            }
            append(turn)
        case .tool:
            var turn = Turn(role: .user)
            turn.blocks = [try result(message, &callIDs)]
            append(turn)
        }
    }

    /// A further text for the model that is no part of the talk.
    mutating func addSystem(_ text: String) { system.append(Self.text(text)) }

    private mutating func append(_ turn: Turn) {
        guard !turn.all.isEmpty else { return }
        guard let last = turns.last, last.role == turn.role else { return turns.append(turn) }
        let index = turns.count - 1
        turns[index].thoughts += turn.thoughts
        turns[index].blocks += turn.blocks
        turns[index].calls += turn.calls
        turns[index].hasDocument = last.hasDocument || turn.hasDocument
        turns[index].hasText = last.hasText || turn.hasText
        turns[index].trailingText = turn.trailingText
    }

    func write(into out: inout JSONWriter) {
        if !system.isEmpty {
            out.key("system")
            out.list(system)
        }
        out.key("messages")
        out.beginArray()
        if turns.first?.role != .user { out.turn(Role.user.rawValue, [Self.text(Self.nothing)]) }
        for (number, turn) in turns.enumerated() {
            var turn = turn
            // A text to be continued must not end in whitespace.
            if number == turns.count - 1, turn.role == .assistant, let text = turn.trailingText,
                let end = text.lastIndex(where: { !$0.isWhitespace })
            {
                turn.blocks[turn.blocks.count - 1] = Self.text(String(text[...end]))
            }
            // Documents alone are refused.
            if turn.hasDocument, !turn.hasText { turn.blocks.append(Self.text(Self.nothing)) }
            out.turn(turn.role.rawValue, turn.all)
        }
        out.endArray()
    }

    // MARK: Blocks

    /// Texts of nothing but whitespace are refused.
    private static func isBlank(_ text: String) -> Bool { text.allSatisfy(\.isWhitespace) }

    private static func text(_ text: String) -> ByteBuffer {
        var out = JSONWriter()
        out.beginObject()
        out.key("text")
        out.string(text)
        out.endObject()
        return out.buffer
    }

    /// Where the cached beginning of a request ends: behind the block that a client marked.
    static func cachePoint(_ cacheControl: JSONView) -> ByteBuffer {
        var out = JSONWriter()
        out.beginObject()
        out.key("cachePoint")
        out.beginObject()
        out.key("type")
        out.string("default")
        if let ttl = cacheControl.member("ttl")?.string, ttl == "5m" || ttl == "1h" {
            out.key("ttl")
            out.string(ttl)
        }
        out.endObject()
        out.endObject()
        return out.buffer
    }

    private mutating func content(_ role: Role, _ parts: [ChatPart]) throws(GatewayError) -> Turn {
        var turn = Turn(role: role)
        for part in parts {
            let mark: JSONView?
            switch part {
            case .text(let text, let cacheControl):
                guard !Self.isBlank(text) else { continue }
                turn.blocks.append(Self.text(text))
                turn.hasText = true
                mark = cacheControl
            case .image(let url, _, let cacheControl):
                turn.blocks.append(try BedrockMedia.image(url, supplements))
                mark = cacheControl
            case .file(let file, let cacheControl):
                turn.blocks.append(try BedrockMedia.document(file, &documents))
                turn.hasDocument = true
                mark = cacheControl
            case .audio(let audio):
                turn.blocks.append(try BedrockMedia.audio(audio))
                mark = nil
            }
            if let mark { turn.blocks.append(Self.cachePoint(mark)) }
        }
        return turn
    }

    private mutating func result(
        _ message: ChatMessage, _ callIDs: inout ChatNames
    ) throws(GatewayError) -> ByteBuffer {
        var content = try content(.user, message.parts).blocks
        if content.isEmpty { content = [Self.text(Self.nothing)] }
        var out = JSONWriter()
        out.beginObject()
        out.key("toolResult")
        out.beginObject()
        out.key("toolUseId")
        out.string(callIDs.accepted(message.callID))
        out.key("content")
        out.list(content)
        if message.hasFailed {
            out.key("status")
            out.string("error")
        }
        out.endObject()
        out.endObject()
        return out.buffer
    }
}
