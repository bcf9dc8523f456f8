import GatewayCore
import NIOCore
import WireFormats

/// Writes an OpenAI chat request as a Messages request (providers.md §7.1).
struct AnthropicRequest {
    private let chat: ChatCompletionRequest
    private let model: ChatModel
    private let host: AnthropicHost
    /// Images by their addresses, for hosts that do not fetch them.
    private let media: [String: RemoteMedia]
    private var out = JSONWriter()
    /// How the answer has to be written.
    private(set) var terms = ChatTerms()
    /// What the provider is not told of.
    private(set) var dropped: DroppedMembers
    private var names = ChatNames(limit: 128)
    private var callIDs = ChatNames(limit: 128)
    private var thinking = AnthropicThinking.off

    private static let ownMembers: Set<String> = [
        "cache_control", "output_config", "service_tier", "thinking", "user", "web_search_options",
    ]
    /// The tool whose input is the answer, for models without structured output of their own.
    private static let outputTool = "json_output"
    /// Tokens of an answer when neither client nor catalogue has a limit (decisions 29).
    private static let usualLimit = 4096

    init(_ chat: ChatCompletionRequest, _ model: ChatModel, _ host: AnthropicHost, media: [String: RemoteMedia]) {
        self.chat = chat
        self.model = model
        self.host = host
        self.media = media
        dropped = chat.unread(but: Self.ownMembers)
    }

    /// The request's body; afterwards `terms` and `dropped` are complete.
    mutating func write() throws(GatewayError) -> ByteBuffer {
        let asked = try chat.outputLimit()
        var limit = asked ?? model.maxOutput ?? Self.usualLimit
        thinking = try AnthropicThinking(chat, model, limit: &limit, isLimitOwn: asked == nil)
        terms.usageChunk = chat.wantsUsageChunk ? .wanted : .withheld
        terms.callStyle = chat.tools.style
        let format = try ChatResponseFormat(chat, model)
        out.beginObject()
        if let version = host.version {
            out.key("anthropic_version")
            out.string(version)
        } else {
            out.key("model")
            out.string(model.name)
        }
        out.key("max_tokens")
        out.int(limit)
        if chat.isStream {
            out.key("stream")
            out.bool(true)
        }
        try writeMessages(format)
        try writeTools(format)
        try writeSampling()
        writeThinking(format)
        if let user = try chat.string("user") {
            if Self.isOpaque(user) {
                out.key("metadata")
                out.beginObject()
                out.key("user_id")
                out.string(user)
                out.endObject()
            } else {
                dropped.add("user")
            }
        }
        switch try chat.string("service_tier") {
        case "auto": writeTier("auto")
        case "default": writeTier("standard_only")
        case nil: break
        default: dropped.add("service_tier")
        }
        if let cacheControl = chat["cache_control"], cacheControl.kind == .object {
            out.key("cache_control")
            out.raw(cacheControl)
        }
        out.endObject()
        terms.toolNames = names.changed
        return out.buffer
    }

    private mutating func writeTier(_ name: String) {
        out.key("service_tier")
        out.string(name)
    }

    /// Whether a user's name tells nothing of the person: Anthropic refuses addresses and numbers.
    private static func isOpaque(_ user: String) -> Bool {
        if user.isEmpty || user.contains("@") { return false }
        let digits = user.utf8.filter { (0x30...0x39).contains($0) }.count
        let isNumber = user.utf8.allSatisfy { (0x30...0x39).contains($0) || " +-().".utf8.contains($0) }
        return !(isNumber && (7...15).contains(digits))
    }

    private mutating func writeMessages(_ format: ChatResponseFormat) throws(GatewayError) {
        var turns = AnthropicTurns(systemTurns: model.has("mid_system") ? .kept : .hoisted, host, media)
        for message in chat.messages { try turns.add(message, &names, &callIDs) }
        if case .object = format { turns.addSystem(ChatResponseFormat.objectInstruction) }
        turns.write(into: &out)
    }

    private mutating func writeTools(_ format: ChatResponseFormat) throws(GatewayError) {
        let functions = chat.tools.functions
        var choice = chat.tools.choice
        let search = chat["web_search_options"]
        // The API insists on definitions where the history has calls.
        let known = functions.isEmpty ? chat.calledFunctions : []
        var forced: String?
        if case .forcedTool = format { forced = Self.outputTool }
        guard !functions.isEmpty || !known.isEmpty || search != nil || forced != nil else { return }
        out.key("tools")
        out.beginArray()
        for function in functions { write(function) }
        for name in known {
            out.beginObject()
            out.key("name")
            out.string(names.accepted(name))
            out.key("input_schema")
            out.raw(#"{"type":"object"}"#)
            out.endObject()
        }
        if case .forcedTool(let schema) = format {
            out.beginObject()
            out.key("name")
            out.string(Self.outputTool)
            out.key("description")
            out.string("Gives the answer in the form that was asked for.")
            out.key("input_schema")
            out.objectSchema(schema)
            out.endObject()
            choice = .named(Self.outputTool)
            terms.outputTool = Self.outputTool
        }
        if let search { writeSearch(search) }
        out.endArray()
        writeChoice(choice)
    }

    private mutating func write(_ function: ChatTools.Function) {
        out.beginObject()
        out.key("name")
        out.string(names.accepted(function.name))
        if let description = function.description {
            out.key("description")
            out.string(description)
        }
        out.key("input_schema")
        if let schema = function.parameters {
            if function.isStrict {
                JSONSchemaCleaner.write(schema, into: &out)
            } else {
                out.objectSchema(schema)
            }
        } else {
            out.raw(#"{"type":"object","properties":{}}"#)
        }
        if function.isStrict {
            out.key("strict")
            out.bool(true)
        }
        if let cacheControl = function.cacheControl {
            out.key("cache_control")
            out.raw(cacheControl)
        }
        out.endObject()
    }

    private mutating func writeSearch(_ options: JSONView) {
        out.beginObject()
        out.key("type")
        out.string("web_search_20250305")
        out.key("name")
        out.string("web_search")
        if let place = options.member("user_location")?.member("approximate"), place.kind == .object {
            out.key("user_location")
            out.beginObject()
            out.key("type")
            out.string("approximate")
            place.forEachMember { key, value in
                if key == "type" || value.isNull { return }
                out.key(named: key)
                out.raw(value)
            }
            out.endObject()
        }
        out.endObject()
    }

    private mutating func writeChoice(_ choice: ChatTools.Choice?) {
        var choice = choice
        // With thinking, and with some models, no call can be forced.
        if choice == .required || choice?.isNamed == true, thinking.isOn || model.has("no_forced_tool") {
            choice = .auto
            if chat.tools.choice != nil { dropped.add("tool_choice") }
        }
        let isSerial = !chat.tools.allowsParallel && choice != ChatTools.Choice.none
        guard choice != nil || isSerial else { return }
        out.key("tool_choice")
        out.beginObject()
        out.key("type")
        switch choice ?? .auto {
        case .auto: out.string("auto")
        case .none: out.string("none")
        case .required: out.string("any")
        case .named(let name):
            out.string("tool")
            out.key("name")
            out.string(name == terms.outputTool ? name : names.accepted(name))
        }
        if isSerial {
            out.key("disable_parallel_tool_use")
            out.bool(true)
        }
        out.endObject()
    }

    private mutating func writeSampling() throws(GatewayError) {
        let temperature = try chat.number("temperature")
        let topP = try chat.number("top_p")
        if let temperature, !thinking.isOn, !model.has("no_sampling") || temperature.value == 1 {
            out.key("temperature")
            // Clamped, never scaled.
            out.raw(temperature.value > 1 ? "1" : temperature.value < 0 ? "0" : temperature.text)
            // Several models refuse both at once.
            if topP != nil { dropped.add("top_p") }
        } else {
            if temperature != nil { dropped.add("temperature") }
            if let topP, !model.has("no_sampling") {
                out.key("top_p")
                out.raw(topP.text)
            } else if topP != nil {
                dropped.add("top_p")
            }
        }
        let stops = try chat.stops()
        guard !stops.isEmpty else { return }
        out.key("stop_sequences")
        out.beginArray()
        for stop in stops { out.string(stop) }
        out.endArray()
    }

    private mutating func writeThinking(_ format: ChatResponseFormat) {
        dropped.add(thinking.dropped(from: chat))
        switch thinking {
        case .off: break
        case .given(let view):
            out.key("thinking")
            out.raw(view)
        case .adaptive:
            out.key("thinking")
            out.raw(#"{"type":"adaptive","display":"summarized"}"#)
        case .effortOnly: break
        case .budget(let tokens):
            out.key("thinking")
            out.raw(#"{"type":"enabled","budget_tokens":\#(tokens)}"#)
        }
        let given = chat["output_config"].flatMap { $0.kind == .object ? $0 : nil }
        var schema: JSONView?
        if given?.member("format") == nil, case .schema(let wanted) = format { schema = wanted }
        let effort = given?.member("effort") == nil ? thinking.effort : nil
        guard given != nil || schema != nil || effort != nil else { return }
        out.key("output_config")
        out.beginObject()
        given?.forEachMember { key, value in
            out.key(named: key)
            out.raw(value)
        }
        if let effort {
            out.key("effort")
            out.string(effort)
        }
        if let schema {
            out.key("format")
            out.beginObject()
            out.key("type")
            out.string("json_schema")
            out.key("schema")
            JSONSchemaCleaner.write(schema, into: &out)
            out.endObject()
        }
        out.endObject()
    }
}

extension ChatTools.Choice {
    fileprivate var isNamed: Bool {
        if case .named = self { return true }
        return false
    }
}
