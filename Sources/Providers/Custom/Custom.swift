package import GatewayCore

extension ProviderDefinition {
    /// A tenant's own provider: everything goes below its base URL as the client wrote it.
    ///
    /// - Parameters:
    ///   - slug: without the `custom-` prefix.
    ///   - baseURL: as stored; a trailing slash does not matter.
    /// - Throws: `.invalidProvider` when the base URL cannot be used.
    /// - Source: data-plane §3.4 · documented; compat path: decisions 8
    package static func custom(slug: String, baseURL: String) throws(GatewayError) -> ProviderDefinition {
        guard let root = UpstreamRoot(baseURL) else {
            throw GatewayError(.invalidProvider, origin: .gateway, detail: "base_url of custom-\(slug) is not usable")
        }
        var provider = ProviderDefinition(id: ProviderID("custom-" + slug), service: .remote(root))
        provider.path = .bespoke { (input) throws(GatewayError) in
            UpstreamPath(origin: input.root.origin, path: "\(input.root.prefix)/\(input.path)")
        }
        provider.credential = CredentialRule(
            .bearer, accepts: ["authorization", "x-api-key", "api-key", "x-goog-api-key"])
        let endsInVersion = root.prefix.split(separator: "/").last.map { PlainPath.isVersion($0) } ?? false
        provider.compat = .openAI(CompatSurface(base: endsInVersion ? "" : "v1/", dialect: .lenient))
        provider.embeddings = .openAI
        provider.usage = UsageRule(.openAI, except: [(.ends("/messages"), .anthropic)])
        provider.prices = PriceNaming(catalogue: .never)
        provider.egress = .publicAddressesOnly
        return provider
    }
}
