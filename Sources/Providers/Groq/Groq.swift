import GatewayCore

extension ProviderDefinition {
    /// Groq's OpenAI-shaped API.
    static let groq: ProviderDefinition = {
        var provider = ProviderDefinition("groq", host: "api.groq.com", prefix: "/openai/v1")
        provider.path = .plain(PlainPath(stripped: ["openai/v1/", "v1/"]))
        provider.compat = .openAI
        provider.usage = UsageRule(.groq)
        return provider
    }()
}
