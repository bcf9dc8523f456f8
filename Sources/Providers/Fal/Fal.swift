import GatewayCore

extension ProviderDefinition {
    /// fal's synchronous runner.
    static let fal: ProviderDefinition = {
        var provider = ProviderDefinition("fal", host: "fal.run")
        provider.path = .plain(PlainPath())
        provider.credential = CredentialRule(
            CredentialRule.Form("authorization", scheme: "Key "), accepts: ["authorization"])
        provider.targetField = TargetField(name: "x-fal-target-url", hosts: ["fal.run", "fal.ai", "fal.media"])
        provider.usage = UsageRule(.fal)
        provider.model = ModelPathRule { path in path.isEmpty ? nil : UntrustedPath.percentDecoded(path) }
        return provider
    }()
}
