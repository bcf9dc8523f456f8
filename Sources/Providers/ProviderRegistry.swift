package import GatewayCore

/// All providers, by URL segment and model prefix.
package struct ProviderRegistry: Sendable {
    private let definitions: [ProviderDefinition]
    private let places: [String: Int]

    /// - Precondition: slugs and aliases are unique; the registry's test asserts it for the built-in ones.
    package init(_ definitions: [ProviderDefinition]) {
        self.definitions = definitions
        var places: [String: Int] = [:]
        for (index, definition) in definitions.enumerated() {
            places[definition.id.rawValue] = index
            for alias in definition.aliases where places[alias] == nil { places[alias] = index }
        }
        self.places = places
    }

    /// The providers that the gateway knows without configuration.
    package static let builtIn = ProviderRegistry([
        .openAI, .anthropic, .googleAIStudio, .googleVertexAI, .azureOpenAI, .awsBedrock, .workersAI, .mistral, .groq,
        .grok, .deepSeek, .cerebras, .cohere, .perplexityAI, .openRouter, .baseten, .parallel, .fireworks,
        .huggingFace, .replicate, .elevenLabs, .cartesia, .deepgram, .fal, .ideogram, .sandbox,
    ])

    package var slugs: [String] { definitions.map(\.id.rawValue) }
    package var all: [ProviderDefinition] { definitions }

    /// The provider of a URL segment, slug or alias, exactly as written.
    package func provider(segment: String) -> ProviderDefinition? { places[segment].map { definitions[$0] } }

    /// The provider and bare name of a compat model: everything after the first slash is the name.
    ///
    /// - Returns: nil when no provider with a compat endpoint has this prefix, or the name is empty.
    /// - Source: data-plane §1.4 · documented
    package func compatTarget(model: String) -> (ProviderDefinition, model: String)? {
        if let bare = definitions.first(where: { $0.bareModelPrefixes.contains { model.hasPrefix($0) } }) {
            return (bare, model)
        }
        guard let slash = model.firstIndex(of: "/"), let provider = provider(segment: String(model[..<slash])) else {
            return nil
        }
        if case .unsupported = provider.compat { return nil }
        let name = String(model[model.index(after: slash)...])
        return name.isEmpty ? nil : (provider, name)
    }

    /// The registry with the operator's addresses; disabled providers are gone (decisions 1–3).
    ///
    /// - Throws: `.invalidProvider` whose `message` names the setting, for an unknown slug or an unusable URL.
    package func applying(_ overrides: [WorkerSettings.ProviderOverride]) throws(GatewayError) -> ProviderRegistry {
        guard !overrides.isEmpty else { return self }
        var changed = definitions
        var disabled: Set<ProviderID> = []
        for override in overrides {
            func refusal(_ problem: String) -> GatewayError {
                GatewayError(
                    .invalidProvider, origin: .gateway, message: "providers.\(override.provider.rawValue)\(problem)")
            }
            guard let index = places[override.provider.rawValue] else { throw refusal(": no such provider") }
            if !override.enabled { disabled.insert(changed[index].id) }
            if let text = override.baseURL {
                guard let root = UpstreamRoot(text) else {
                    throw refusal(".base_url: not an http(s) URL without query")
                }
                changed[index].baseOverride = root
            }
            changed[index].webSocketOverride = override.webSocketURL ?? changed[index].webSocketOverride
            if let text = override.tokenURL {
                guard let root = UpstreamRoot(text) else {
                    throw refusal(".token_url: not an http(s) URL without query")
                }
                guard case .exchanged(var exchange) = changed[index].credential.derivation else {
                    throw refusal(".token_url: the provider's keys are not exchanged for access tokens")
                }
                exchange.endpoint = root
                changed[index].credential.derivation = .exchanged(by: exchange)
            }
            switch override.compatUpstream {
            case nil, "native": break
            case "openai":
                guard let surface = changed[index].compat.surface else {
                    throw refusal(".compat_upstream: the provider has no OpenAI-shaped endpoint")
                }
                changed[index].compat = .openAI(surface)
            default: throw refusal(".compat_upstream: must be native or openai")
            }
        }
        return ProviderRegistry(changed.filter { !disabled.contains($0.id) })
    }
}
