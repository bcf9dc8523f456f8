import GatewayCore

extension ProviderDefinition {
    /// Perplexity's API; every stream event carries usage.
    static let perplexityAI: ProviderDefinition = {
        var provider = ProviderDefinition("perplexity-ai", host: "api.perplexity.ai")
        provider.aliases = ["perplexity"]
        provider.path = .plain(PlainPath(segments: ["v1"]))
        provider.compat = .openAI(CompatSurface(usageOption: .leave))
        provider.usage = UsageRule(.perplexity)
        return provider
    }()
}
