import GatewayCore

extension ProviderDefinition {
    /// Anthropic's Messages API.
    static let anthropic: ProviderDefinition = {
        var provider = ProviderDefinition("anthropic", host: "api.anthropic.com")
        provider.path = .plain(.version1)
        provider.credential = CredentialRule(
            CredentialRule.Form("x-api-key"), accepts: ["x-api-key", "authorization"],
            // Access tokens of a subscription login · observed
            exceptions: [("sk-ant-oat", [.bearer])])
        provider.requiredHeaders = [("anthropic-version", "2023-06-01")]
        provider.compat = .translated(
            surface: CompatSurface(base: "v1/", credentialForms: [.bearer]), by: AnthropicChat(provider: "anthropic"))
        provider.responses = .chat(webSearch: .options)
        provider.usage = UsageRule(.anthropic, except: [(.ends("/chat/completions"), .openAI)])
        return provider
    }()
}
