import GatewayCore

extension ProviderDefinition {
    /// DeepSeek's API, with an Anthropic-shaped one below `anthropic/`.
    static let deepSeek: ProviderDefinition = {
        var provider = ProviderDefinition("deepseek", host: "api.deepseek.com")
        provider.path = .plain(PlainPath(segments: ["v1", "beta", "anthropic"]))
        provider.compat = .openAI
        provider.usage = UsageRule(.openAI, except: [(.contains("/anthropic/"), .anthropic)])
        return provider
    }()
}
