import GatewayCore

extension UsageFormat {
    /// ElevenLabs: the billed characters are in a header (observed).
    static let elevenLabs = UsageFormat(
        members: [],
        headers: [
            Header(name: "character-cost") { value, tally in
                // Credits, which are characters for some models only: no better than nothing.
                if tally.usage.characters == nil, let count = Int(value), count >= 0 { tally.usage.characters = count }
            }
        ],
        asked: Asked(text: "text", model: "model_id"))
}
