import GatewayCore

extension ProviderDefinition {
    /// Google's Gemini API with an API key.
    static let googleAIStudio: ProviderDefinition = {
        var provider = ProviderDefinition("google-ai-studio", host: "generativelanguage.googleapis.com")
        provider.aliases = ["google", "gemini"]
        let openAISurface: [StaticString] = ["v1beta/openai/", "v1/openai/", "openai/"]
        provider.path = .plain(
            PlainPath(
                prefix: "v1beta/", segments: ["v1", "v1beta", "v1alpha", "upload"],
                credentialForms: openAISurface.map { ($0, [.bearer]) }))
        provider.credential = CredentialRule(
            CredentialRule.Form("x-goog-api-key"), accepts: ["x-goog-api-key", "authorization"], queryKeys: ["key"])
        provider.compat = .translated(
            surface: CompatSurface(base: "v1beta/openai/", credentialForms: [.bearer]),
            by: GeminiChat(provider: "google-ai-studio", service: .aiStudio))
        provider.responses = .chat(webSearch: .options)
        provider.embeddings = .translated { _ in GeminiEmbeddings() }
        provider.usage = UsageRule(
            .gemini, except: [(.contains("/openai/"), .openAI), (.ends(":predict"), .googlePredict)])
        provider.model = .after("models/", until: [0x3a, 0x2f])
        return provider
    }()
}
