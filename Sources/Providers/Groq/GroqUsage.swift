import GatewayCore
import WireFormats

extension UsageFormat {
    /// Groq: OpenAI's members; older answers hold them in `x_groq`.
    ///
    /// Either is the whole, never a part.
    static let groq = openAIShaped(members: [
        Member("x_groq") { view, tally in
            guard tally.usage.input == nil, let usage = view.member("usage") else { return }
            OpenAIUsage.counters(usage, &tally.usage)
        }
    ])
}
