import GatewayCore

extension ProviderDefinition {
    /// Ideogram's image APIs.
    static let ideogram: ProviderDefinition = {
        var provider = ProviderDefinition("ideogram", host: "api.ideogram.ai")
        provider.path = .plain(PlainPath(segments: ["v1", "v2"]))
        provider.credential = CredentialRule(CredentialRule.Form("api-key"), accepts: ["api-key"])
        provider.usage = UsageRule(.ideogram)
        provider.model = ModelPathRule { path in
            let segments = path.split(separator: "/").drop { PlainPath.isVersion($0) }
            guard let name = segments.first, name.hasPrefix("ideogram") else { return nil }
            return String(name)
        }
        return provider
    }()
}
