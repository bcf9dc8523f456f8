import GatewayCore

extension ProviderDefinition {
    /// Amazon Bedrock: the first two path segments are service and region (providers.md §1.4).
    static let awsBedrock: ProviderDefinition = {
        var provider = ProviderDefinition("aws-bedrock", host: "bedrock-runtime.us-east-1.amazonaws.com")
        provider.aliases = ["bedrock"]
        provider.path = .bespoke { (input) throws(GatewayError) in try bedrockPath(input) }
        provider.credential = CredentialRule(.bearer, accepts: ["authorization", "x-api-key"])
        provider.compat = .translated(surface: nil)
        provider.usage = UsageRule(
            .bedrockConverse,
            except: [
                (.contains("/invoke"), .bedrockInvoke), (.contains("/anthropic/"), .anthropic),
                (.contains("/v1/"), .openAI),
            ])
        provider.model = .after("model/", until: [0x2f])
        provider.prices = PriceNaming(
            geographies: ["us-gov.", "global.", "apac.", "us.", "eu.", "au.", "jp.", "in.", "ca."])
        return provider
    }()

    private static func bedrockPath(_ input: PathInput) throws(GatewayError) -> UpstreamPath {
        guard let (segments, rest) = input.leading(2), isRegion(segments[1]) else {
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

    /// Whether the text has the form of an AWS region, `^[a-z]{2}(-[a-z]+)+-\d$`.
    private static func isRegion(_ text: Substring) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard text.utf8.count <= 32, parts.count >= 3, parts[0].utf8.count == 2, let last = parts.last,
            last.utf8.count == 1, last.utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { return false }
        return parts.dropLast().allSatisfy { part in
            !part.isEmpty && part.utf8.allSatisfy { (0x61...0x7a).contains($0) }
        }
    }
}
