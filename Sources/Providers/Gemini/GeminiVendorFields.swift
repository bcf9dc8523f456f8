import WireFormats

/// What a client says in Gemini's own words beside OpenAI's (providers.md §6.1, "unknown fields").
///
/// Read at the top of the request, and where Google's own OpenAI surface looks: under `extra_body.google` or `google`.
struct GeminiVendorFields {
    let safetySettings: JSONView?
    let cachedContent: JSONView?
    /// Members of `generationConfig`, by their names in camel case.
    private(set) var generation: [(name: String, value: JSONView)] = []
    private(set) var thinking: JSONView?

    init(_ chat: ChatCompletionRequest) {
        func find(_ snake: StaticString, _ camel: StaticString) -> JSONView? {
            for name in [snake, camel] {
                if let view = chat[name.description] { return view }
                for place in [chat["extra_body"]?.member("google"), chat["google"]] {
                    if let view = place?.member(name), !view.isNull { return view }
                }
            }
            return nil
        }
        safetySettings = find("safety_settings", "safetySettings").flatMap { $0.kind == .array ? $0 : nil }
        cachedContent = find("cached_content", "cachedContent").flatMap { $0.kind == .string ? $0 : nil }
        thinking = find("thinking_config", "thinkingConfig").flatMap { $0.kind == .object ? $0 : nil }
        var members: [(name: String, value: JSONView)] = []
        var ownThinking: JSONView?
        find("generation_config", "generationConfig")?.forEachMember { key, value in
            let name = Self.camelCase(key)
            if name == "thinkingConfig" {
                if value.kind == .object { ownThinking = value }
            } else if !members.contains(where: { $0.name == name }) {
                members.append((name, value))
            }
        }
        generation = members
        thinking = thinking ?? ownThinking
    }

    /// `max_output_tokens` as `maxOutputTokens`; Google reads both.
    static func camelCase(_ name: String) -> String {
        var result = ""
        var isUpper = false
        for character in name {
            if character == "_" {
                isUpper = !result.isEmpty
            } else {
                result += isUpper ? character.uppercased() : String(character)
                isUpper = false
            }
        }
        return result
    }
}
