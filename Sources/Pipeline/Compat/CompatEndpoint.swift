import CloudflareWire
import GatewayCore

/// What a call of the OpenAI-compatible endpoint asks for (data-plane §1.4).
enum CompatEndpoint: String, CaseIterable, Sendable {
    case chat = "chat/completions"
    case embeddings = "embeddings"
    case responses = "responses"
    /// The list of models; the gateway's own answer.
    case models = "models"

    /// The endpoint that a call addresses.
    ///
    /// - Errors: `.invalidProvider` for a path that does not exist, `.methodNotAllowed` for a method that it lacks.
    init(_ inbound: Inbound) throws(GatewayError) {
        let rest = inbound.address.rest
        let endpoint = inbound.head.withBytes { bytes in
            Self.doubledChat.equals(bytes, rest) ? .chat : Self.allCases.first { $0.text.equals(bytes, rest) }
        }
        guard let endpoint else {
            throw GatewayError(.invalidProvider, origin: .client, detail: "unknown compat path")
        }
        let isReading =
            inbound.isHeadMethod || inbound.head.withBytes { ("GET" as StaticString).equals($0, inbound.head.method) }
        let isAllowed = endpoint == .models ? isReading : inbound.isPostMethod
        guard isAllowed else { throw GatewayError(.methodNotAllowed, origin: .client) }
        self = endpoint
    }

    /// What clients address that were given the endpoint's whole address as a base URL (providers.md §17.5 · observed).
    private static let doubledChat: StaticString = "chat/completions/chat/completions"

    private var text: StaticString {
        switch self {
        case .chat: "chat/completions"
        case .embeddings: "embeddings"
        case .responses: "responses"
        case .models: "models"
        }
    }
}
