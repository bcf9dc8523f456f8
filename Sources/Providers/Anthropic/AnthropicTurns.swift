import GatewayCore
import NIOCore
import WireFormats

/// The history of a chat as Anthropic wants it: system apart, neighbours of one role merged, a user first.
struct AnthropicTurns {
    /// What becomes of system messages that do not stand at the beginning.
    enum SystemTurns { case kept, hoisted }

    private enum Role: String { case system, user, assistant }

    private struct Turn {
        var role: Role
        /// JSON text of each content block.
        var blocks: [ByteBuffer] = []
        /// The turn's last text, while it may still have to be shortened.
        var trailingText: String?
    }

    private let systemTurns: SystemTurns
    private let host: AnthropicHost
    private let media: [String: RemoteMedia]
    private var system: [ByteBuffer] = []
    private var turns: [Turn] = []

    init(systemTurns: SystemTurns, _ host: AnthropicHost, _ media: [String: RemoteMedia]) {
        self.systemTurns = systemTurns
        self.host = host
        self.media = media
    }

    mutating func add(
        _ message: ChatMessage, _ names: inout ChatNames, _ callIDs: inout ChatNames
    ) throws(GatewayError) {
        switch message.role {
        case .system:
            let blocks = try content(message.parts)
            if turns.isEmpty || systemTurns == .hoisted {
                system += blocks
            } else {
                append(.system, blocks)
            }
        case .user:
            var blocks = try content(message.parts)
            if blocks.isEmpty { blocks = [Self.text(Self.nothing, nil)] }
            append(.user, blocks)
        case .assistant:
            var blocks = message.thinking.map { thought in
                var out = JSONWriter()
                thought.write(into: &out)
                return out.buffer
            }
            blocks += try content(message.parts)
            var text: String?
            if message.calls.isEmpty, case .text(let last, nil) = message.parts.last, !last.isEmpty { text = last }
            for call in message.calls {
                blocks.append(
                    Self.block("tool_use") { out in
                        out.key("id")
                        out.string(callIDs.accepted(call.id))
                        out.key("name")
                        out.string(names.accepted(call.name))
                        out.key("input")
                        out.raw(call.arguments)
                    }
                )
            }
            append(.assistant, blocks, trailingText: text)
        case .tool: append(.user, [try result(message, &callIDs)])
        }
    }

    /// A further text for the model that is no part of the talk.
    mutating func addSystem(_ text: String) { system.append(Self.text(text, nil)) }

    private mutating func append(_ role: Role, _ blocks: [ByteBuffer], trailingText: String? = nil) {
        guard !blocks.isEmpty else { return }
        if turns.last?.role != role { turns.append(Turn(role: role)) }
        turns[turns.count - 1].blocks += blocks
        turns[turns.count - 1].trailingText = trailingText
    }

    /// What stands for a message without content, which is refused.
    private static let nothing = "(empty)"

    func write(into out: inout JSONWriter) {
        if !system.isEmpty {
            out.key("system")
            out.list(system)
        }
        out.key("messages")
        out.beginArray()
        if turns.first?.role != .user {
            out.turn(Role.user.rawValue, [Self.text(Self.nothing, nil)])
        }
        for (number, turn) in turns.enumerated() {
            var blocks = turn.blocks
            // A text to be continued must not end in whitespace.
            if number == turns.count - 1, turn.role == .assistant, let text = turn.trailingText {
                let end = text.lastIndex { !$0.isWhitespace }
                blocks.removeLast()
                if let end { blocks.append(Self.text(String(text[...end]), nil)) }
                if blocks.isEmpty { continue }
            }
            out.turn(turn.role.rawValue, blocks)
        }
        out.endArray()
    }

    // MARK: Blocks

    private static func block(_ type: String, _ members: (inout JSONWriter) -> Void) -> ByteBuffer {
        var out = JSONWriter()
        out.beginObject()
        out.key("type")
        out.string(type)
        members(&out)
        out.endObject()
        return out.buffer
    }

    private static func text(_ text: String, _ cacheControl: JSONView?) -> ByteBuffer {
        block("text") { out in
            out.key("text")
            out.string(text)
            mark(cacheControl, &out)
        }
    }

    private static func mark(_ cacheControl: JSONView?, _ out: inout JSONWriter) {
        guard let cacheControl else { return }
        out.key("cache_control")
        out.raw(cacheControl)
    }

    private func content(_ parts: [ChatPart]) throws(GatewayError) -> [ByteBuffer] {
        var blocks: [ByteBuffer] = []
        for part in parts {
            switch part {
            case .text(let text, let cacheControl):
                // Empty blocks of text are refused.
                if !text.isEmpty { blocks.append(Self.text(text, cacheControl)) }
            case .image(let url, _, let cacheControl): blocks.append(try image(url, cacheControl))
            case .file(let file, let cacheControl): blocks.append(try AnthropicMedia.document(file, cacheControl))
            case .audio: throw ChatPart.unsupported("input_audio")
            }
        }
        return blocks
    }

    private func image(_ url: String, _ cacheControl: JSONView?) throws(GatewayError) -> ByteBuffer {
        if host == .anthropic { return try AnthropicMedia.image(url, cacheControl) }
        if let media = media[url] { return try AnthropicMedia.image(media, cacheControl) }
        guard DataURL(url) != nil else {
            throw ChatCompletionRequest.refusal("the image at an address was not fetched; send it as a data URL")
        }
        return try AnthropicMedia.image(url, cacheControl)
    }

    private func result(_ message: ChatMessage, _ callIDs: inout ChatNames) throws(GatewayError) -> ByteBuffer {
        let blocks = try content(message.parts)
        let id = callIDs.accepted(message.callID)
        return Self.block("tool_result") { out in
            out.key("tool_use_id")
            out.string(id)
            if message.parts.count == 1, case .text(let text, nil) = message.parts[0], !text.isEmpty {
                out.key("content")
                out.string(text)
            } else if !blocks.isEmpty {
                out.key("content")
                out.list(blocks)
            }
            if message.hasFailed {
                out.key("is_error")
                out.bool(true)
            }
        }
    }
}
