import GatewayCore
import WireFormats

extension UsageFormat {
    /// Workers AI's native answers: usage is inside the result envelope.
    ///
    /// The whole answer is one member; a longer one is binary or not worth keeping.
    static let workersAI = openAIShaped(
        members: [
            Member("result") { view, tally in
                if let usage = view.member("usage") { OpenAIUsage.counters(usage, &tally.usage) }
            }
        ],
        memberLimit: 262_144)
}
