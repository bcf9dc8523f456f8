import GatewayCore

extension ProviderDefinition {
    /// Cartesia's speech APIs; the documented `v1` base does not exist upstream.
    static let cartesia: ProviderDefinition = {
        var provider = ProviderDefinition("cartesia", host: "api.cartesia.ai")
        provider.path = .plain(PlainPath(stripped: ["v1/"]))
        provider.credential = CredentialRule(CredentialRule.Form("x-api-key"), accepts: ["x-api-key", "authorization"])
        provider.usage = UsageRule(.cartesia)
        return provider
    }()
}
