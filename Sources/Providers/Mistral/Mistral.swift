import GatewayCore

extension ProviderDefinition {
    /// Mistral's API; refuses members it does not know and reports usage in streams unasked.
    static let mistral: ProviderDefinition = {
        var provider = ProviderDefinition("mistral", host: "api.mistral.ai")
        provider.aliases = ["mistralai"]
        provider.path = .plain(.version1)
        provider.compat = .openAI(CompatSurface(usageOption: .leave))
        provider.usage = UsageRule(.mistral)
        return provider
    }()
}
