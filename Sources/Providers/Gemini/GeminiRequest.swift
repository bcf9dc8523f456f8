import GatewayCore
import NIOCore
import WireFormats

/// Writes an OpenAI chat request as Gemini's (providers.md §8.1).
struct GeminiRequest {
    private let chat: ChatCompletionRequest
    private let model: GeminiModel
    private let service: GeminiService
    private let supplements: ChatSupplements
    private let vendor: GeminiVendorFields
    private var out = JSONWriter()
    /// How the answer has to be written.
    private(set) var terms = ChatTerms()
    /// What the provider is not told of.
    private(set) var dropped: DroppedMembers
    private var names = ChatNames(limit: 64, alphabet: .dotted)

    init(
        _ chat: ChatCompletionRequest, _ model: GeminiModel, _ service: GeminiService, _ supplements: ChatSupplements
    ) {
        self.chat = chat
        self.model = model
        self.service = service
        self.supplements = supplements
        vendor = GeminiVendorFields(chat)
        dropped = chat.unread(but: Self.ownMembers.union(service == .vertex ? ["metadata", "user"] : []))
    }

    private static let ownMembers: Set<String> = [
        "cachedContent", "cached_content", "extra_body", "frequency_penalty", "generationConfig", "generation_config",
        "google", "logprobs", "presence_penalty", "safetySettings", "safety_settings", "seed", "service_tier",
        "thinkingConfig", "thinking_config", "top_logprobs", "web_search_options",
    ]

    /// The request's body; afterwards `terms` and `dropped` are complete.
    mutating func write() throws(GatewayError) -> ByteBuffer {
        terms.usageChunk = chat.wantsUsageChunk ? .wanted : .withheld
        terms.model = model.name
        terms.callStyle = chat.tools.style
        // Names of tools first: where two become equal, those that can be called keep theirs.
        for function in chat.tools.functions { _ = names.accepted(function.name) }
        var turns = GeminiTurns(model, supplements)
        for message in chat.messages { try turns.add(message, &names) }
        out.beginObject()
        turns.write(into: &out)
        writeTools()
        try writeGeneration()
        if let settings = vendor.safetySettings {
            out.key("safetySettings")
            out.raw(settings)
        }
        if let name = vendor.cachedContent {
            out.key("cachedContent")
            out.raw(name)
        }
        switch service {
        case .aiStudio:
            if let tier = try tier() {
                out.key("serviceTier")
                out.string(tier)
            }
        case .vertex: writeLabels()
        }
        if let asked = chat["service_tier"]?.string, asked != "auto", asked != "default", try tier() == nil {
            dropped.add("service_tier")
        }
        if chat["parallel_tool_calls"]?.bool == false { dropped.add("parallel_tool_calls") }
        out.endObject()
        terms.toolNames = names.changed
        return out.buffer
    }

    /// Header fields beside the body.
    func fields() throws(GatewayError) -> [(name: StaticString, value: String)] {
        guard service == .vertex, let tier = try tier() else { return [] }
        return [("x-vertex-ai-llm-shared-request-type", tier)]
    }

    /// The tiers that OpenAI and Google have in common.
    private func tier() throws(GatewayError) -> String? {
        guard let tier = try chat.string("service_tier"), ["flex", "priority"].contains(tier) else { return nil }
        return tier
    }

    // MARK: Tools

    private mutating func writeTools() {
        let functions = chat.tools.functions
        let search = chat["web_search_options"] != nil && (functions.isEmpty || model.mixesSearchWithFunctions)
        if chat["web_search_options"] != nil, !search { dropped.add("web_search_options") }
        guard !functions.isEmpty || search else { return }
        out.key("tools")
        out.beginArray()
        if !functions.isEmpty {
            out.beginObject()
            out.key("functionDeclarations")
            out.beginArray()
            for function in functions { write(function) }
            out.endArray()
            out.endObject()
        }
        if search { out.raw(#"{"googleSearch":{}}"#) }
        out.endArray()
        guard !functions.isEmpty, let choice = chat.tools.choice else { return }
        out.key("toolConfig")
        out.beginObject()
        out.key("functionCallingConfig")
        out.beginObject()
        out.key("mode")
        switch choice {
        case .auto: out.string("AUTO")
        case .none: out.string("NONE")
        case .required: out.string("ANY")
        case .named(let name):
            out.string("ANY")
            out.key("allowedFunctionNames")
            out.beginArray()
            out.string(names.accepted(name))
            out.endArray()
        }
        out.endObject()
        out.endObject()
    }

    private mutating func write(_ function: ChatTools.Function) {
        out.beginObject()
        out.key("name")
        out.string(names.accepted(function.name))
        if let description = function.description {
            out.key("description")
            out.string(description)
        }
        if let schema = function.parameters, !Self.isEmpty(schema) {
            out.key(model.takesJSONSchema ? "parametersJsonSchema" : "parameters")
            write(schema, as: .object)
        }
        out.endObject()
    }

    /// Whether a schema of arguments has none: then it is left out.
    private static func isEmpty(_ schema: JSONView) -> Bool {
        if schema.member("$ref") != nil || schema.member("anyOf") != nil || schema.member("oneOf") != nil {
            return false
        }
        if schema.member("allOf") != nil || schema.member("additionalProperties")?.kind == .object { return false }
        var isEmpty = true
        schema.member("properties")?.forEachMember { _, _ in isEmpty = false }
        return isEmpty
    }

    private mutating func write(_ schema: JSONView, as root: GeminiSchema.Root) {
        if model.takesJSONSchema {
            GeminiSchema.write(schema, as: root, into: &out)
        } else {
            GeminiOpenAPISchema.write(schema, into: &out)
        }
    }

    // MARK: Generation

    /// `generationConfig`: what OpenAI's members become, below what the client says in Gemini's own words.
    private mutating func writeGeneration() throws(GatewayError) {
        var members: [(name: String, value: String)] = []
        func add(_ name: String, _ value: String?) { if let value { members.append((name, value)) } }
        add("maxOutputTokens", try chat.outputLimit().map(String.init))
        if model.takesSampling {
            add("temperature", try chat.number("temperature").map { $0.value > 2 ? "2" : $0.value < 0 ? "0" : $0.text })
            add("topP", try chat.number("top_p")?.text)
        } else {
            drop("temperature", "top_p")
        }
        if model.takesPenalties {
            add("presencePenalty", try chat.number("presence_penalty")?.text)
            add("frequencyPenalty", try chat.number("frequency_penalty")?.text)
        } else {
            drop("presence_penalty", "frequency_penalty")
        }
        add("seed", try chat.number("seed")?.text)
        let stops = try chat.stops()
        if !stops.isEmpty { add("stopSequences", Self.list(Array(stops.prefix(5)))) }
        if stops.count > 5 { drop("stop") }
        if let count = chat["n"]?.int, count > 1 { add("candidateCount", String(count)) }
        if chat["logprobs"]?.bool == true {
            add("responseLogprobs", "true")
            add("logprobs", try chat.number("top_logprobs")?.text)
        }
        members += try format()
        add("responseModalities", modalities())
        let thinking = try GeminiThinking(chat, vendor, model)
        if !thinking.hearsEffort { drop("reasoning_effort") }
        add("thinkingConfig", thinking.json)
        let given = vendor.generation
        members.removeAll { member in given.contains { $0.name == member.name } }
        guard !members.isEmpty || !given.isEmpty else { return }
        out.key("generationConfig")
        out.beginObject()
        for member in members {
            out.key(named: member.name)
            out.raw(member.value)
        }
        for member in given {
            out.key(named: member.name)
            out.raw(member.value)
        }
        out.endObject()
    }

    private mutating func drop(_ names: String...) {
        for name in names where chat[name] != nil { dropped.add(name) }
    }

    private static func list(_ texts: [String]) -> String {
        "[" + texts.map(JSONPatch.quoted).joined(separator: ",") + "]"
    }

    private func format() throws(GatewayError) -> [(name: String, value: String)] {
        let json = (name: "responseMimeType", value: #""application/json""#)
        switch try ChatResponseFormat(chat, model.facts) {
        case .text: return []
        case .object: return [json]
        case .schema(let schema), .forcedTool(let schema):
            var writer = JSONWriter()
            if model.takesJSONSchema {
                GeminiSchema.write(schema, as: .any, into: &writer)
                return [json, ("responseJsonSchema", String(buffer: writer.buffer))]
            }
            GeminiOpenAPISchema.write(schema, into: &writer)
            return [json, ("responseSchema", String(buffer: writer.buffer))]
        }
    }

    /// Kinds of answers besides text; text alone needs no word.
    private func modalities() -> String? {
        var kinds: [String] = []
        chat["modalities"]?.forEachElement { if let kind = $0.string { kinds.append(kind.uppercased()) } }
        return kinds.isEmpty || kinds == ["TEXT"] ? nil : Self.list(kinds)
    }

    // MARK: Labels

    /// Vertex counts by labels: what the client says of its user and purpose, as far as a label can hold it.
    private mutating func writeLabels() {
        var labels: [(key: String, value: String)] = []
        func add(_ key: String, _ value: String) {
            guard let first = key.utf8.first, (0x61...0x7A).contains(first), key.utf8.count <= 63, !value.isEmpty,
                labels.count < 64, !labels.contains(where: { $0.key == key })
            else { return }
            labels.append((key, value))
        }
        if let user = chat["user"]?.string { add("user", Self.label(user)) }
        chat["metadata"]?.forEachMember { key, value in
            if let text = value.string { add(Self.label(key), Self.label(text)) }
        }
        guard !labels.isEmpty else { return }
        out.key("labels")
        out.beginObject()
        for label in labels {
            out.key(named: label.key)
            out.string(label.value)
        }
        out.endObject()
    }

    /// Lower case letters, digits, `_` and `-`, 63 at most.
    private static func label(_ text: String) -> String {
        let bytes = text.lowercased().utf8.prefix(63).map { byte -> UInt8 in
            switch byte {
            case 0x30...0x39, 0x61...0x7A, 0x2D, 0x5F: byte
            default: UInt8(ascii: "_")
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
