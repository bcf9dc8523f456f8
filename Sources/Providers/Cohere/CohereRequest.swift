import GatewayCore
import NIOCore
import WireFormats

/// Writes an OpenAI chat request as one for Cohere's chat API (providers.md §10.1).
struct CohereRequest {
    private let chat: ChatCompletionRequest
    private let model: ChatModel
    private var out = JSONWriter()
    /// How the answer has to be written.
    private(set) var terms = ChatTerms()
    /// What the provider is not told of.
    private(set) var dropped: DroppedMembers

    /// Members that are Cohere's own and go through as they came.
    private static let ownMembers: [StaticString] = ["documents", "citation_options", "safety_mode", "priority"]
    private static let stopLimit = 5

    init(_ chat: ChatCompletionRequest, _ model: ChatModel) {
        self.chat = chat
        self.model = model
        dropped = chat.unread(
            but: Set(Self.ownMembers.map(\.description)).union([
                "frequency_penalty", "logprobs", "presence_penalty", "seed", "thinking", "top_k",
            ]))
        if chat["parallel_tool_calls"]?.bool == false { dropped.add("parallel_tool_calls") }
    }

    /// The request's body; afterwards `terms` and `dropped` are complete.
    mutating func write() throws(GatewayError) -> ByteBuffer {
        terms.usageChunk = chat.wantsUsageChunk ? .wanted : .withheld
        terms.callStyle = chat.tools.style
        terms.model = model.name
        out.beginObject()
        out.key("model")
        out.string(model.name)
        if chat.isStream {
            out.key("stream")
            out.bool(true)
        }
        out.key("messages")
        out.beginArray()
        for message in chat.messages { try write(message) }
        out.endArray()
        let hasTools = writeTools()
        if let limit = try chat.outputLimit() {
            out.key("max_tokens")
            out.int(limit)
        }
        try writeSampling()
        // The API refuses a form of the answer together with tools or documents.
        if !hasTools, chat["documents"] == nil {
            try writeFormat()
        } else if let format = chat["response_format"], format.member("type")?.string != "text" {
            dropped.add("response_format")
        }
        try writeThinking()
        for name in Self.ownMembers {
            guard let value = chat[name.description] else { continue }
            out.key(name)
            out.raw(value)
        }
        out.endObject()
        return out.buffer
    }

    // MARK: Messages

    private mutating func write(_ message: ChatMessage) throws(GatewayError) {
        out.beginObject()
        out.key("role")
        switch message.role {
        case .system:
            out.string("system")
            try writeContent(message.parts, images: .refused)
        case .user:
            out.string("user")
            try writeContent(message.parts, images: .kept)
        case .tool:
            out.string("tool")
            out.key("tool_call_id")
            out.string(message.callID)
            try writeContent(message.parts, images: .refused)
        case .assistant:
            out.string("assistant")
            if message.calls.isEmpty || !message.parts.isEmpty { try writeContent(message.parts, images: .refused) }
            if !message.calls.isEmpty { write(message.calls, plan: message.reasoning) }
        }
        out.endObject()
    }

    private mutating func write(_ calls: [ChatCall], plan: String) {
        if !plan.isEmpty {
            out.key("tool_plan")
            out.string(plan)
        }
        out.key("tool_calls")
        out.beginArray()
        for call in calls {
            out.beginObject()
            out.key("id")
            out.string(call.id)
            out.key("type")
            out.string("function")
            out.key("function")
            out.beginObject()
            out.key("name")
            out.string(call.name)
            out.key("arguments")
            out.string(call.arguments)
            out.endObject()
            out.endObject()
        }
        out.endArray()
    }

    private enum Images { case kept, refused }

    /// One text is a string, everything else a list of parts.
    private mutating func writeContent(_ parts: [ChatPart], images: Images) throws(GatewayError) {
        out.key("content")
        if parts.isEmpty { return out.string("") }
        if parts.count == 1, case .text(let text, _) = parts[0] { return out.string(text) }
        out.beginArray()
        for part in parts {
            out.beginObject()
            out.key("type")
            switch part {
            case .text(let text, _):
                out.string("text")
                out.key("text")
                out.string(text)
            case .image(let url, let detail, _):
                guard images == .kept else { throw ChatPart.unsupported("image_url") }
                out.string("image_url")
                out.key("image_url")
                out.beginObject()
                out.key("url")
                out.string(url)
                if let detail {
                    out.key("detail")
                    out.string(detail.rawValue)
                }
                out.endObject()
            case .file: throw ChatPart.unsupported("file")
            case .audio: throw ChatPart.unsupported("input_audio")
            }
            out.endObject()
        }
        out.endArray()
    }

    // MARK: Tools

    /// - Returns: whether the model may call any.
    private mutating func writeTools() -> Bool {
        var functions = chat.tools.functions
        // There is no choice of one tool: it is the only one to choose from.
        if case .named(let name) = chat.tools.choice { functions.removeAll { $0.name != name } }
        guard !functions.isEmpty else { return false }
        out.key("tools")
        out.beginArray()
        for function in functions { write(function) }
        out.endArray()
        if functions.contains(where: \.isStrict) {
            out.key("strict_tools")
            out.bool(true)
        }
        switch chat.tools.choice {
        case .some(.required), .some(.named):
            out.key("tool_choice")
            out.string("REQUIRED")
        case .some(.none):
            out.key("tool_choice")
            out.string("NONE")
        case .some(.auto), nil: break
        }
        return true
    }

    private mutating func write(_ function: ChatTools.Function) {
        out.beginObject()
        out.key("type")
        out.string("function")
        out.key("function")
        out.beginObject()
        out.key("name")
        out.string(function.name)
        if let description = function.description {
            out.key("description")
            out.string(description)
        }
        out.key("parameters")
        if let parameters = function.parameters {
            out.raw(parameters)
        } else {
            out.raw(#"{"type":"object","properties":{}}"#)
        }
        out.endObject()
        out.endObject()
    }

    // MARK: Everything else

    private mutating func writeSampling() throws(GatewayError) {
        try writeNumber("temperature", as: "temperature", 0...1, "0", "1")
        // One is refused, so is nothing.
        try writeNumber("top_p", as: "p", 0.01...0.99, "0.01", "0.99")
        try writeNumber("top_k", as: "k", 0...500, "0", "500")
        try writeNumber("frequency_penalty", as: "frequency_penalty", 0...1, "0", "1")
        try writeNumber("presence_penalty", as: "presence_penalty", 0...1, "0", "1")
        if let seed = try chat.number("seed") {
            out.key("seed")
            out.raw(seed.text)
        }
        if chat["logprobs"]?.bool == true {
            out.key("logprobs")
            out.bool(true)
        }
        let stops = try chat.stops()
        guard !stops.isEmpty else { return }
        out.key("stop_sequences")
        out.beginArray()
        for stop in stops.prefix(Self.stopLimit) { out.string(stop) }
        out.endArray()
    }

    /// Writes a number within the range that the API takes; clamped, never scaled.
    private mutating func writeNumber(
        _ name: String, as key: StaticString, _ range: ClosedRange<Double>, _ least: String, _ most: String
    ) throws(GatewayError) {
        guard let number = try chat.number(name) else { return }
        out.key(key)
        out.raw(number.value < range.lowerBound ? least : number.value > range.upperBound ? most : number.text)
    }

    private mutating func writeFormat() throws(GatewayError) {
        guard let format = chat["response_format"] else { return }
        switch format.member("type")?.string {
        case "text": break
        case "json_object":
            out.key("response_format")
            out.raw(#"{"type":"json_object"}"#)
        case "json_schema":
            guard let schema = format.member("json_schema")?.member("schema"), schema.kind == .object else {
                throw ChatCompletionRequest.refusal("`response_format` of type 'json_schema' must have a schema")
            }
            out.key("response_format")
            out.beginObject()
            out.key("type")
            out.string("json_object")
            out.key("json_schema")
            out.raw(schema)
            out.endObject()
        default:
            throw ChatCompletionRequest.refusal(
                "`response_format` must be of type 'text', 'json_object' or 'json_schema'"
            )
        }
    }

    private mutating func writeThinking() throws(GatewayError) {
        if let given = chat["thinking"], given.kind == .object {
            out.key("thinking")
            out.raw(given)
            if chat["reasoning_effort"] != nil { dropped.add("reasoning_effort") }
            return
        }
        guard let effort = try chat.string("reasoning_effort") else { return }
        // Models that do not think refuse the member; the catalogue does not know all of those that do.
        guard model.has("reasoning") || model.name.contains("reasoning") else {
            if effort != "none" { dropped.add("reasoning_effort") }
            return
        }
        let budget: Int
        switch effort {
        case "none":
            out.key("thinking")
            out.raw(#"{"type":"disabled"}"#)
            return
        case "minimal", "low": budget = 1024
        case "medium": budget = 2048
        case "high": budget = 8192
        case "xhigh": budget = 16_384
        case "max": budget = 32_768
        default: throw ChatCompletionRequest.refusal("`reasoning_effort` '\(effort)' is not known")
        }
        out.key("thinking")
        out.raw(#"{"type":"enabled","token_budget":\#(budget)}"#)
    }
}
