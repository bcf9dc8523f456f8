import GatewayCore

extension ProviderDefinition {
    /// Deepgram's speech APIs.
    static let deepgram: ProviderDefinition = {
        var provider = ProviderDefinition("deepgram", host: "api.deepgram.com")
        provider.path = .plain(PlainPath(segments: ["v1", "v2"]))
        provider.credential = CredentialRule(
            CredentialRule.Form("authorization", scheme: "Token "), accepts: ["authorization"])
        provider.usage = UsageRule(.deepgram)
        return provider
    }()
}
