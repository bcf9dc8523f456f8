import GatewayCore

extension ProviderDefinition {
    /// Groq's OpenAI-shaped API.
    static let groq: ProviderDefinition = {
        var provider = ProviderDefinition("groq", host: "api.groq.com", prefix: "/openai/v1")
        provider.path = .plain(PlainPath(stripped: ["openai/v1/", "v1/"]))
        provider.compat = .openAI(.groq)
        provider.responses = .native
        provider.usage = UsageRule(
            .groq, except: [(.contains("/audio/trans"), .openAITranscription), (.ends("/speech"), .openAISpeech)])
        return provider
    }()
}

extension ChatDialect {
    /// Groq: one answer, no probabilities (providers.md §11.2).
    static let groq: ChatDialect = {
        var dialect = ChatDialect.usual(.maxCompletionTokens)
        dialect.drops = [Drop("logprobs", "top_logprobs", "logit_bias", "metadata", "store")]
        dialect.severalAnswers = .refused
        dialect.messages.drops = ["name", "reasoning_content", "thinking_blocks"]
        return dialect
    }()
}
