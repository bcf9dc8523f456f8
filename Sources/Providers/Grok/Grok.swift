import GatewayCore

extension ProviderDefinition {
    /// xAI's API; also serves the Responses and Messages formats.
    static let grok: ProviderDefinition = {
        var provider = ProviderDefinition("grok", host: "api.x.ai")
        provider.aliases = ["xai", "x-ai"]
        provider.path = .plain(.version1)
        provider.compat = .openAI
        provider.usage = UsageRule(
            .xAI, except: [(.ends("/messages"), .anthropic), (.contains("/images/"), .openAIImages)])
        return provider
    }()
}
