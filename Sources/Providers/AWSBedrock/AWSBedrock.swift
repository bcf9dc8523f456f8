import GatewayCore

extension ProviderDefinition {
    /// Amazon Bedrock: the first two path segments are service and region (providers.md §1.4).
    static let awsBedrock: ProviderDefinition = {
        var provider = ProviderDefinition("aws-bedrock", host: "bedrock-runtime.us-east-1.amazonaws.com")
        provider.aliases = ["bedrock"]
        provider.path = .bespoke { (input) throws(GatewayError) in try bedrockPath(input) }
        var credential = CredentialRule(.bearer, accepts: ["authorization", "x-api-key"])
        credential.derivation = .signed(by: SigV4Signer())
        credential.place = { key in
            guard AWSAccessKey.isDocument(key) else { return nil }
            return AWSAccessKey(Secret(key)).map { CredentialPlace(region: $0.region) }
        }
        provider.credential = credential
        provider.compat = .translated(surface: nil, by: BedrockChat(provider: "aws-bedrock"))
        provider.embeddings = .translated { BedrockEmbeddings(model: $0) }
        provider.usage = UsageRule(
            .bedrockConverse,
            except: [
                (.contains("/invoke"), .bedrockInvoke), (.contains("/anthropic/"), .anthropic),
                (.contains("/v1/"), .openAI),
            ])
        provider.model = .after("model/", until: [0x2f])
        provider.prices = PriceNaming(
            geographies: ["us-gov.", "global.", "apac.", "us.", "eu.", "au.", "jp.", "in.", "ca."],
            isRegion: { BedrockHost.isRegion($0) })
        return provider
    }()

    private static func bedrockPath(_ input: PathInput) throws(GatewayError) -> UpstreamPath {
        guard let (segments, rest) = input.leading(2), BedrockHost.isRegion(segments[1]) else {
            throw UntrustedPath.refusal(
                "Bedrock paths begin with bedrock-runtime/{region}/ or bedrock-mantle/{region}/")
        }
        let place = ProcessingPlace.region
        switch segments[0] {
        case "bedrock-runtime":
            return UpstreamPath(
                origin: Origin(scheme: .https, host: "bedrock-runtime.\(segments[1]).amazonaws.com"),
                path: "/\(rest)", place: place)
        case "bedrock-mantle":
            return UpstreamPath(
                origin: Origin(scheme: .https, host: "bedrock-mantle.\(segments[1]).api.aws"), path: "/\(rest)",
                credentialForms: [CredentialRule.Form("x-api-key")], place: place)
        default: throw UntrustedPath.refusal("Unknown Bedrock service")
        }
    }
}
