import GatewayCore

extension ProviderDefinition {
    /// Fireworks' OpenAI-shaped API.
    static let fireworks: ProviderDefinition = {
        var provider = ProviderDefinition("fireworks", host: "api.fireworks.ai", prefix: "/inference/v1")
        provider.path = .plain(PlainPath(stripped: ["inference/v1/", "v1/"]))
        provider.compat = .openAI(.usual(.maxTokens))
        provider.embeddings = .adapted(by: EmbeddingAdapter(provider: "fireworks"))
        provider.usage = UsageRule(.openAI)
        return provider
    }()
}
