import GatewayCore

extension ProviderDefinition {
    /// Parallel's search and task APIs, and its OpenAI-shaped chat.
    static let parallel: ProviderDefinition = {
        let key = CredentialRule.Form("x-api-key")
        var provider = ProviderDefinition("parallel", host: "api.parallel.ai")
        provider.path = .plain(
            PlainPath(
                segments: ["v1", "v1beta"],
                credentialForms: ["chat/completions", "v1/chat/completions"].map { ($0, [key, .bearer]) }))
        provider.credential = CredentialRule(key, accepts: ["x-api-key", "authorization"])
        provider.compat = .openAI(CompatSurface(usageOption: .leave, dialect: .usual()))
        provider.embeddings = .adapted(by: EmbeddingAdapter(provider: "parallel"))
        provider.usage = UsageRule(.parallel)
        return provider
    }()
}
