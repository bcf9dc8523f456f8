import GatewayCore

extension ProviderDefinition {
    /// Google's Vertex AI; the host follows from the path's location (providers.md §1.4).
    static let googleVertexAI: ProviderDefinition = {
        var provider = ProviderDefinition("google-vertex-ai", host: "aiplatform.googleapis.com")
        provider.aliases = ["google-vertex", "vertex"]
        provider.path = .bespoke { (input) throws(GatewayError) in try vertexPath(input) }
        provider.credential = CredentialRule(
            .bearer, accepts: ["authorization", "x-goog-api-key"],
            exceptions: VertexCredential.expressPrefixes.map { ($0, [CredentialRule.Form("x-goog-api-key")]) })
        provider.credential.derivation = .exchanged(by: ServiceAccountExchange())
        provider.credential.place = { VertexCredential.place($0) }
        provider.compat = .perModel(
            surface: CompatSurface { (model, place) throws(GatewayError) in
                // The surface wants every model with its publisher.
                let name = model.contains("/") ? model : VertexModel(model).publisher + "/" + model
                return (try VertexPath.project(place) + "endpoints/openapi/", name)
            }
        ) { model in
            switch VertexModel(model).publisher {
            case "google": GeminiChat(provider: "google-vertex-ai", service: .vertex)
            case "anthropic": AnthropicChat(provider: "google-vertex-ai", host: .vertex)
            default: nil
            }
        }
        provider.responses = .chat(webSearch: .options)
        provider.embeddings = .translated { _ in VertexEmbeddings() }
        provider.usage = UsageRule(
            .gemini,
            except: [
                (.contains("/publishers/anthropic/"), .anthropic), (.contains("/endpoints/openapi/"), .openAI),
                (.ends(":predict"), .googlePredict),
            ])
        provider.model = .after("models/", until: [0x3a, 0x2f])
        provider.prices = PriceNaming(publishers: [
            "google/", "anthropic/", "meta/", "mistralai/", "deepseek-ai/", "openai/", "qwen/", "xai/", "zai-org/",
            "moonshotai/", "minimaxai/",
        ])
        // Vertex lists its usual publishers without their names, and is called with them.
        provider.prices.callableName = { name in
            if name.contains("/") { return name }
            if name.hasPrefix("claude-") { return "anthropic/" + name }
            return ["gemini-", "text-embedding-", "text-multilingual-embedding-"].contains { name.hasPrefix($0) }
                ? "google/" + name : nil
        }
        return provider
    }()

    private static func vertexPath(_ input: PathInput) throws(GatewayError) -> UpstreamPath {
        let segments = input.path.split(separator: "/", omittingEmptySubsequences: false)
        guard segments.first == "v1" || segments.first == "v1beta1" else {
            throw UntrustedPath.refusal("Vertex AI paths begin with v1/ or v1beta1/")
        }
        var location: Substring = "global"
        if let place = segments.firstIndex(of: "locations") {
            guard place + 1 < segments.count, isLocation(segments[place + 1]) else {
                throw UntrustedPath.refusal("Invalid location")
            }
            location = segments[place + 1]
        }
        let host =
            switch location {
            case "global": "aiplatform.googleapis.com"
            case "us", "eu": "aiplatform.\(location).rep.googleapis.com"
            default: "\(location)-aiplatform.googleapis.com"
            }
        return UpstreamPath(
            origin: Origin(scheme: .https, host: host), path: "/" + input.path, fixed: 1,
            place: location == "global" ? .anywhere : .region)
    }

    /// Whether the text has the form of a Google Cloud location, `^[a-z]+(-[a-z]+\d+)?$`.
    private static func isLocation(_ text: Substring) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        func isLetters(_ part: Substring) -> Bool {
            !part.isEmpty && part.utf8.allSatisfy { (0x61...0x7a).contains($0) }
        }
        guard text.utf8.count <= 40, let first = parts.first, isLetters(first) else { return false }
        if parts.count == 1 { return true }
        let letters = parts[1].prefix { $0.isLetter }
        let digits = parts[1].dropFirst(letters.count)
        return parts.count == 2 && isLetters(letters) && !digits.isEmpty
            && digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }
}
