import GatewayCore

extension ProviderDefinition {
    /// Cohere's API, versions 1 and 2.
    static let cohere: ProviderDefinition = {
        var provider = ProviderDefinition("cohere", host: "api.cohere.ai")
        provider.path = .plain(PlainPath(prefix: "v1/", segments: ["v1", "v2", "compatibility"]))
        provider.compat = .translated(
            surface: CompatSurface(base: "compatibility/v1/"), by: CohereChat(provider: "cohere"))
        provider.embeddings = .translated { _ in CohereEmbeddings() }
        provider.usage = UsageRule(.cohere, except: [(.contains("/compatibility/"), .openAI)])
        return provider
    }()
}
