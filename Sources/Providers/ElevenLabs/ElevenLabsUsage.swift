import GatewayCore

extension UsageFormat {
    /// ElevenLabs: the billed characters are in a header (observed).
    static let elevenLabs = UsageFormat(
        members: [],
        headers: [
            Header(name: "character-cost") { value, tally in
                if let count = Int(value), count >= 0 { tally.usage.characters = count }
            }
        ],
        spokenMember: "text")
}
