import GatewayCore

extension ProviderDefinition {
    /// ElevenLabs' speech APIs.
    static let elevenLabs: ProviderDefinition = {
        var provider = ProviderDefinition("elevenlabs", host: "api.elevenlabs.io")
        provider.path = .plain(PlainPath(segments: ["v1", "v2"]))
        provider.credential = CredentialRule(
            CredentialRule.Form("xi-api-key"), accepts: ["xi-api-key", "authorization"])
        provider.usage = UsageRule(.elevenLabs)
        return provider
    }()
}
