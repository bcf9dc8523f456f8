import GatewayCore

extension ProviderDefinition {
    /// OpenRouter's API; reports its own cost.
    static let openRouter: ProviderDefinition = {
        var provider = ProviderDefinition("openrouter", host: "openrouter.ai", prefix: "/api")
        provider.path = .plain(PlainPath(prefix: "v1/", segments: ["v1"], stripped: ["api/"]))
        provider.compat = .openAI(.lenient)
        provider.embeddings = .adapted(by: EmbeddingAdapter(provider: "openrouter"))
        provider.usage = UsageRule(.openRouter)
        provider.prices = PriceNaming(suffixes: [":free", ":nitro", ":floor", ":online"])
        return provider
    }()
}
