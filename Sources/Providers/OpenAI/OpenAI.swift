import GatewayCore

extension ProviderDefinition {
    /// OpenAI's public API.
    static let openAI: ProviderDefinition = {
        var provider = ProviderDefinition("openai", host: "api.openai.com")
        provider.path = .plain(.version1)
        provider.compat = .openAI
        provider.usage = UsageRule(
            .openAI, except: [(.contains("/images/"), .openAIImages), (.ends("/speech"), .openAISpeech)])
        return provider
    }()
}
