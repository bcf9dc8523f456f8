import GatewayCore

extension ProviderDefinition {
    /// Perplexity's API; every stream event carries usage.
    ///
    /// Some of its endpoints are below `v1/`, the chat is not: SDKs put it there (providers.md §1.2 · assumed).
    static let perplexityAI: ProviderDefinition = {
        var provider = ProviderDefinition("perplexity-ai", host: "api.perplexity.ai")
        provider.aliases = ["perplexity"]
        provider.path = .plain(PlainPath(segments: ["v1"], optional: "v1/"))
        provider.compat = .openAI(CompatSurface(usageOption: .leave, dialect: .perplexity))
        provider.modelPrefix = "perplexity"
        provider.usage = UsageRule(.perplexity)
        return provider
    }()
}

extension ChatDialect {
    /// Perplexity: user and assistant have to take turns (providers.md §11.2).
    static let perplexity: ChatDialect = {
        var dialect = ChatDialect.usual(.maxTokens)
        dialect.drops = [Drop("seed", "logprobs", "top_logprobs", "logit_bias")]
        dialect.severalAnswers = .refused
        dialect.refusedFormats = ["json_object"]
        dialect.messages.drops = ["reasoning_content", "thinking_blocks"]
        dialect.messages.neighbours = .merged
        return dialect
    }()
}
