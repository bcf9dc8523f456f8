import GatewayCore

extension ProviderDefinition {
    /// OpenAI models on Azure: the first two path segments are resource and deployment (providers.md §1.4).
    static let azureOpenAI: ProviderDefinition = {
        var provider = ProviderDefinition("azure-openai", host: "openai.azure.com")
        provider.aliases = ["azure"]
        provider.path = .bespoke { (input) throws(GatewayError) in try azurePath(input) }
        provider.credential = CredentialRule(CredentialRule.Form("api-key"), accepts: ["api-key", "authorization"])
        provider.compat = .openAI(
            CompatSurface(query: "api-version=2024-10-21", dialect: .openAI) { (model, _) throws(GatewayError) in
                guard let slash = model.firstIndex(of: "/") else {
                    throw UntrustedPath.refusal("Azure models are named {resource}/{deployment}")
                }
                return (model + "/", String(model[model.index(after: slash)...]))
            })
        // The base of a chat is {resource}/{deployment}/; here the deployment stands in the body.
        provider.responses = .native { base in base.prefix { $0 != "/" } + "/openai/v1/" }
        provider.embeddings = .openAI
        provider.usage = UsageRule(
            .openAI,
            except: [
                (.contains("/anthropic/"), .anthropic), (.contains("/images/"), .openAIImages),
                (.ends("/speech"), .openAISpeech), (.contains("/audio/trans"), .openAITranscription),
            ])
        provider.model = ModelPathRule { path in
            let segments = path.split(separator: "/")
            if segments.count > 3, segments[1] == "openai", segments[2] == "deployments" { return String(segments[3]) }
            guard segments.count > 2, segments[1] != "openai", segments[1] != "anthropic" else { return nil }
            return String(segments[1])
        }
        provider.prices = PriceNaming(fallback: "openai")
        // Deployments have names of their owner's.
        provider.prices.callableName = { _ in nil }
        return provider
    }()

    private static func azurePath(_ input: PathInput) throws(GatewayError) -> UpstreamPath {
        guard let (segments, rest) = input.leading(2), UntrustedPath.isResourceName(segments[0]) else {
            throw UntrustedPath.refusal("Azure paths begin with {resource}/{deployment}/")
        }
        let resource = segments[0].lowercased()
        func origin(_ domain: String) -> Origin { Origin(scheme: .https, host: "\(resource).\(domain)") }
        switch segments[1] {
        case "anthropic":
            return UpstreamPath(
                origin: origin("services.ai.azure.com"), path: "/anthropic/\(rest)", fixed: 1,
                credentialForms: [CredentialRule.Form("x-api-key")])
        case "openai" where rest.hasPrefix("v1/"):
            return UpstreamPath(origin: origin("openai.azure.com"), path: "/openai/\(rest)", fixed: 2)
        case "openai" where rest.hasPrefix("deployments/"):
            let deployment = rest.dropFirst(12).prefix { $0 != "/" }
            guard UntrustedPath.isResourceName(deployment) else { throw UntrustedPath.refusal("Invalid deployment") }
            return UpstreamPath(origin: origin("openai.azure.com"), path: "/openai/\(rest)", fixed: 2)
        default:
            guard UntrustedPath.isResourceName(segments[1]) else { throw UntrustedPath.refusal("Invalid deployment") }
            return UpstreamPath(
                origin: origin("openai.azure.com"), path: "/openai/deployments/\(segments[1])/\(rest)", fixed: 2)
        }
    }
}
