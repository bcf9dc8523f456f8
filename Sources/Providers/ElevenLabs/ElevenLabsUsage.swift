import GatewayCore

extension UsageFormat {
    /// ElevenLabs: the billed characters are in a header · observed
    static let elevenLabs: UsageFormat = {
        var format = UsageFormat(members: [])
        format.headers = [
            Header(name: "character-cost") { value, tally in
                if let count = Int(value), count >= 0 { tally.usage.characters = count }
            }
        ]
        format.spokenMember = "text"
        return format
    }()
}
