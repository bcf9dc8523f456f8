import GatewayCore
import NIOCore
import WireFormats

/// Writes an OpenAI chat request as a Converse request (providers.md §9.1).
struct BedrockRequest {
    private let chat: ChatCompletionRequest
    private let model: ChatModel
    private let family: BedrockModel
    private let supplements: ChatSupplements
    private var out = JSONWriter()
    /// How the answer has to be written.
    private(set) var terms = ChatTerms()
    /// What the provider is not told of.
    private(set) var dropped: DroppedMembers
    private var names = ChatNames(limit: 64, alphabet: .identifiers)
    private var callIDs = ChatNames(limit: 64, alphabet: .punctuated)
    private var thinking = AnthropicThinking.off

    /// The tool whose input is the answer, for models without structured output of their own.
    private static let outputTool = "json_output"
    /// Tokens of an answer of Claude's when neither client nor catalogue has a limit (decisions 29).
    private static let usualLimit = 4096

    init(_ chat: ChatCompletionRequest, _ model: ChatModel, _ supplements: ChatSupplements) {
        self.chat = chat
        self.model = model
        self.supplements = supplements
        family = BedrockModel(model.name)
        var own: Set<String> = ["metadata", "service_tier"]
        if family.isClaude { own.formUnion(["output_config", "thinking"]) }
        if family.isNova { own.insert("web_search_options") }
        dropped = chat.unread(but: own)
    }

    /// The request's body; afterwards `terms` and `dropped` are complete.
    mutating func write() throws(GatewayError) -> ByteBuffer {
        let asked = try chat.outputLimit()
        var limit = asked.map { max($0, 1) } ?? (family.isClaude ? model.maxOutput ?? Self.usualLimit : nil)
        if family.isClaude, var tokens = limit {
            thinking = try AnthropicThinking(chat, model, limit: &tokens, isLimitOwn: asked == nil)
            limit = tokens
        }
        terms.model = model.name
        terms.usageChunk = chat.wantsUsageChunk ? .wanted : .withheld
        terms.callStyle = chat.tools.style
        let format = try ChatResponseFormat(chat, model)
        out.beginObject()
        var turns = BedrockTurns(supplements)
        for message in chat.messages { try turns.add(message, &names, &callIDs) }
        if case .object = format { turns.addSystem(ChatResponseFormat.objectInstruction) }
        turns.write(into: &out)
        try writeInference(limit: limit)
        let choice = writeTools(format)
        try writeExtras(choice)
        writeOutput(format)
        try writeService()
        out.endObject()
        terms.toolNames = names.changed
        return out.buffer
    }

    // MARK: Sampling

    private mutating func writeInference(limit: Int?) throws(GatewayError) {
        var temperature = try chat.number("temperature")
        var topP = try chat.number("top_p")
        if model.has("no_sampling") {
            if temperature?.value != 1 { temperature = nil }
            topP = nil
        }
        if thinking.isOn { temperature = nil }
        // Claude refuses both at once.
        if family.isClaude, temperature != nil { topP = nil }
        if temperature == nil, chat["temperature"] != nil { dropped.add("temperature") }
        if topP == nil, chat["top_p"] != nil { dropped.add("top_p") }
        let stops = family.takesStops ? try chat.stops() : []
        if !family.takesStops, chat["stop"] != nil { dropped.add("stop") }
        guard limit != nil || temperature != nil || topP != nil || !stops.isEmpty else { return }
        out.key("inferenceConfig")
        out.beginObject()
        if let limit {
            out.key("maxTokens")
            out.int(limit)
        }
        if let temperature {
            out.key("temperature")
            out.raw(Self.clamped(temperature))
        }
        if let topP {
            out.key("topP")
            out.raw(Self.clamped(topP))
        }
        if !stops.isEmpty {
            out.key("stopSequences")
            out.beginArray()
            for stop in stops { out.string(stop) }
            out.endArray()
        }
        out.endObject()
    }

    /// A number between 0 and 1; clamped, never scaled.
    private static func clamped(_ number: (text: String, value: Double)) -> String {
        number.value > 1 ? "1" : number.value < 0 ? "0" : number.text
    }

    // MARK: Tools

    /// Writes `toolConfig`.
    ///
    /// - Returns: the choice that a request to Claude has to state in Claude's own words instead.
    private mutating func writeTools(_ format: ChatResponseFormat) -> ChatTools.Choice? {
        var functions = chat.tools.functions
        var choice = chat.tools.choice
        let called = chat.calledFunctions
        if choice == ChatTools.Choice.none {
            // There is no such value; without definitions nothing can be called, but a history with calls needs them.
            if called.isEmpty { functions = [] } else { dropped.add("tool_choice") }
            choice = .auto
        }
        // The API insists on definitions where the history has calls.
        let known = functions.isEmpty ? called : []
        let search = family.isNova ? chat["web_search_options"] : nil
        var schema: JSONView?
        if case .forcedTool(let wanted) = format { schema = wanted }
        guard !functions.isEmpty || !known.isEmpty || search != nil || schema != nil else { return nil }
        out.key("toolConfig")
        out.beginObject()
        out.key("tools")
        out.beginArray()
        for function in functions { write(function) }
        for name in known { writeTool(names.accepted(name), name) { $0.raw(#"{"type":"object"}"#) } }
        if let schema {
            let words = "Gives the answer in the form that was asked for."
            writeTool(Self.outputTool, words) { $0.objectSchema(schema) }
            terms.outputTool = Self.outputTool
            choice = .named(Self.outputTool)
        }
        if search != nil { out.raw(#"{"systemTool":{"name":"nova_grounding"}}"#) }
        out.endArray()
        let hasFunctions = !functions.isEmpty || !known.isEmpty || schema != nil
        let stated = hasFunctions ? writeChoice(choice) : nil
        out.endObject()
        return stated
    }

    private mutating func write(_ function: ChatTools.Function) {
        let description = function.description.flatMap { $0.isEmpty ? nil : $0 } ?? function.name
        writeTool(names.accepted(function.name), description, isStrict: function.isStrict) { out in
            guard let schema = function.parameters else { return out.raw(#"{"type":"object","properties":{}}"#) }
            if function.isStrict { JSONSchemaCleaner.write(schema, into: &out) } else { out.objectSchema(schema) }
        }
        if let cacheControl = function.cacheControl { out.raw(BedrockTurns.cachePoint(cacheControl)) }
    }

    private mutating func writeTool(
        _ name: String, _ description: String, isStrict: Bool = false, schema: (inout JSONWriter) -> Void
    ) {
        out.beginObject()
        out.key("toolSpec")
        out.beginObject()
        out.key("name")
        out.string(name)
        out.key("description")
        out.string(description)
        out.key("inputSchema")
        out.beginObject()
        out.key("json")
        schema(&out)
        out.endObject()
        if isStrict {
            out.key("strict")
            out.bool(true)
        }
        out.endObject()
        out.endObject()
    }

    /// Writes `toolChoice` where it says something and is understood.
    private mutating func writeChoice(_ choice: ChatTools.Choice?) -> ChatTools.Choice? {
        var choice = choice
        // With thinking, and with some models, no call can be forced.
        if choice?.isForced == true, thinking.isOn || model.has("no_forced_tool") {
            choice = .auto
            if chat.tools.choice != nil { dropped.add("tool_choice") }
        }
        if !chat.tools.allowsParallel {
            if family.isClaude { return choice ?? .auto }
            if chat["parallel_tool_calls"] != nil { dropped.add("parallel_tool_calls") }
        }
        guard let choice else { return nil }
        if choice.isForced, !family.takesForcedTool {
            dropped.add("tool_choice")
            return nil
        }
        out.key("toolChoice")
        out.beginObject()
        switch choice {
        case .auto, .none: out.key("auto")
        case .required: out.key("any")
        case .named: out.key("tool")
        }
        out.beginObject()
        if case .named(let name) = choice {
            out.key("name")
            out.string(name == terms.outputTool ? name : names.accepted(name))
        }
        out.endObject()
        out.endObject()
        return nil
    }

    // MARK: What Converse has no member for

    /// - Parameter choice: to be stated together with the wish for one call at a time.
    private mutating func writeExtras(_ choice: ChatTools.Choice?) throws(GatewayError) {
        var extras = JSONWriter()
        extras.beginObject()
        let start = extras.buffer.writerIndex
        if let choice { writeSerial(choice, into: &extras) }
        if family.isClaude {
            dropped.add(thinking.dropped(from: chat))
            writeThinking(into: &extras)
        } else if let effort = try chat.string("reasoning_effort"), effort != "none" {
            let word = try Self.effort(effort)
            if family.isThinkingNova {
                extras.key("reasoningConfig")
                extras.raw(#"{"type":"enabled","maxReasoningEffort":"\#(word)"}"#)
            } else if family.vendor == "openai" {
                extras.key("reasoning_effort")
                extras.string(word)
            } else {
                dropped.add("reasoning_effort")
            }
        }
        guard extras.buffer.writerIndex > start else { return }
        extras.endObject()
        out.key("additionalModelRequestFields")
        out.raw(extras.buffer)
    }

    private static func effort(_ word: String) throws(GatewayError) -> String {
        switch word {
        case "minimal", "low": return "low"
        case "medium": return "medium"
        case "high", "xhigh", "max": return "high"
        default: throw ChatCompletionRequest.refusal("`reasoning_effort` '\(word)' is not known")
        }
    }

    private mutating func writeSerial(_ choice: ChatTools.Choice, into extras: inout JSONWriter) {
        extras.key("tool_choice")
        extras.beginObject()
        extras.key("type")
        switch choice {
        case .auto, .none: extras.string("auto")
        case .required: extras.string("any")
        case .named(let name):
            extras.string("tool")
            extras.key("name")
            extras.string(name == terms.outputTool ? name : names.accepted(name))
        }
        extras.key("disable_parallel_tool_use")
        extras.bool(true)
        extras.endObject()
    }

    private func writeThinking(into extras: inout JSONWriter) {
        switch thinking {
        case .off, .effortOnly: break
        case .given(let view):
            extras.key("thinking")
            extras.raw(view)
        case .adaptive:
            extras.key("thinking")
            extras.raw(#"{"type":"adaptive","display":"summarized"}"#)
        case .budget(let tokens):
            extras.key("thinking")
            extras.raw(#"{"type":"enabled","budget_tokens":\#(tokens)}"#)
        }
        let given = chat["output_config"].flatMap { $0.kind == .object ? $0 : nil }
        let effort = given?.member("effort") == nil ? thinking.effort : nil
        guard given != nil || effort != nil else { return }
        extras.key("output_config")
        extras.beginObject()
        given?.forEachMember { key, value in
            extras.key(named: key)
            extras.raw(value)
        }
        if let effort {
            extras.key("effort")
            extras.string(effort)
        }
        extras.endObject()
    }

    private mutating func writeOutput(_ format: ChatResponseFormat) {
        guard case .schema(let schema) = format else { return }
        var cleaned = JSONWriter()
        JSONSchemaCleaner.write(schema, into: &cleaned)
        let wanted = chat["response_format"]?.member("json_schema")
        out.key("outputConfig")
        out.beginObject()
        out.key("textFormat")
        out.beginObject()
        out.key("type")
        out.string("json_schema")
        out.key("structure")
        out.beginObject()
        out.key("jsonSchema")
        out.beginObject()
        // As text: the API has no type for a schema.
        out.key("schema")
        out.string(String(buffer: cleaned.buffer))
        if let name = wanted?.member("name")?.string, !name.isEmpty {
            out.key("name")
            out.string(name)
        }
        if let description = wanted?.member("description")?.string, !description.isEmpty {
            out.key("description")
            out.string(description)
        }
        out.endObject()
        out.endObject()
        out.endObject()
        out.endObject()
    }

    private mutating func writeService() throws(GatewayError) {
        if let tier = try chat.string("service_tier"), tier != "auto" {
            if ["default", "flex", "priority", "reserved"].contains(tier) {
                out.key("serviceTier")
                out.beginObject()
                out.key("type")
                out.string(tier)
                out.endObject()
            } else {
                dropped.add("service_tier")
            }
        }
        var pairs: [(String, String)] = []
        chat["metadata"]?.forEachMember { key, value in
            guard let text = value.string, pairs.count < 16, Self.isTag(key), Self.isTag(text) else {
                return dropped.add("metadata")
            }
            pairs.append((key, text))
        }
        guard !pairs.isEmpty else { return }
        out.key("requestMetadata")
        out.beginObject()
        for (key, text) in pairs {
            out.key(named: key)
            out.string(text)
        }
        out.endObject()
    }

    /// Whether a text may stand in a request's metadata.
    private static func isTag(_ text: String) -> Bool {
        (1...256).contains(text.utf8.count)
            && text.utf8.allSatisfy { UntrustedPath.isAlphanumeric($0) || " :_@$#=/+,-.".utf8.contains($0) }
    }
}

extension ChatTools.Choice {
    fileprivate var isForced: Bool {
        switch self {
        case .required, .named: true
        case .auto, .none: false
        }
    }
}
