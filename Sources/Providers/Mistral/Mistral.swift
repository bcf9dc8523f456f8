import GatewayCore

extension ProviderDefinition {
    /// Mistral's API; refuses members it does not know and reports usage in streams unasked.
    static let mistral: ProviderDefinition = {
        var provider = ProviderDefinition("mistral", host: "api.mistral.ai")
        provider.aliases = ["mistralai"]
        provider.path = .plain(.version1)
        provider.compat = .openAI(CompatSurface(usageOption: .leave, dialect: .mistral))
        provider.embeddings = .adapted(by: EmbeddingAdapter(provider: "mistral", dimensions: "output_dimension"))
        provider.usage = UsageRule(.mistral)
        return provider
    }()
}

extension ChatDialect {
    /// Mistral: members it does not know are refused, and ids of calls have a form of their own (providers.md §11.2).
    static let mistral: ChatDialect = {
        var dialect = ChatDialect.usual(.maxTokens)
        dialect.drops = [
            Drop(
                "stream_options", "user", "logit_bias", "store", "verbosity", "modalities", "audio", "moderation",
                "safety_identifier", "prompt_cache_options", "web_search_options"),
            Drop("reasoning_effort", models: .notThinking),
        ]
        dialect.renames = [("seed", "random_seed")]
        dialect.warmest = ("1.5", 1.5)
        dialect.forcedCalls = .any
        dialect.thinkingNames = ["magistral"]
        dialect.messages.drops = ["name", "reasoning_content", "thinking_blocks"]
        dialect.messages.callIDs = .nineCharacters
        dialect.messages.beginnings = .marked
        return dialect
    }()
}
