import GatewayCore

extension ProviderDefinition {
    /// Cerebras' OpenAI-shaped API.
    static let cerebras: ProviderDefinition = {
        var provider = ProviderDefinition("cerebras", host: "api.cerebras.ai")
        provider.path = .plain(.version1)
        provider.compat = .openAI
        provider.usage = UsageRule(.openAI)
        return provider
    }()
}
