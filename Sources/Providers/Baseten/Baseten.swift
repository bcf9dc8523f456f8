import GatewayCore

extension ProviderDefinition {
    /// Baseten's shared inference API, and dedicated deployments on hosts of their own.
    static let baseten: ProviderDefinition = {
        var provider = ProviderDefinition("baseten", host: "inference.baseten.co")
        provider.path = .bespoke { (input) throws(GatewayError) in
            guard input.path.hasPrefix("model/"), let (segments, rest) = input.leading(2) else {
                return PlainPath.version1.apply(input.path, root: input.root)
            }
            let id = segments[1]
            guard (1...63).contains(id.utf8.count),
                id.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) })
            else { throw UntrustedPath.refusal("Invalid model id") }
            return UpstreamPath(
                origin: Origin(scheme: .https, host: "model-\(id).api.baseten.co"),
                path: "/" + (rest.isEmpty ? "production/predict" : rest),
                credentialForms: [CredentialRule.Form("authorization", scheme: "Api-Key ")])
        }
        provider.compat = .openAI(.usual(.maxTokens))
        provider.embeddings = .adapted(by: EmbeddingAdapter(provider: "baseten"))
        provider.usage = UsageRule(.openAI)
        return provider
    }()
}
