import Providers

/// What a request to the OpenAI-compatible endpoint asks for: whose model, and how the call gets there.
struct CompatReading {
    var call: CompatCall
    let provider: Provider
    /// The name behind the provider prefix.
    let model: String

    /// Set where the provider wants reasoning back that clients drop.
    var echo: ReasoningEcho? {
        guard call.translator == nil, call.endpoint == .chat else { return nil }
        return provider.definition.compat.surface?.reasoningEcho
    }

    /// Whether something might have to be got before the request can be written.
    var mayNeedSupplements: Bool { call.translator != nil || echo != nil }
}
