import GatewayCore

extension ProviderDefinition {
    /// Replicate's predictions API.
    static let replicate: ProviderDefinition = {
        var provider = ProviderDefinition("replicate", host: "api.replicate.com")
        provider.path = .plain(.version1)
        provider.usage = UsageRule(.replicate)
        provider.model = ModelPathRule { path in
            let segments = path.split(separator: "/").drop { $0 == "v1" }
            guard segments.count >= 3, segments.first == "models" else { return nil }
            return UntrustedPath.percentDecoded(segments.dropFirst().prefix(2).joined(separator: "/"))
        }
        return provider
    }()
}
