import GatewayCore

/// Who runs a model of Anthropic's that is called with its Messages format (providers.md §1.3).
enum AnthropicHost: Sendable {
    case anthropic
    /// The model stands in the path, and images have to stand in the request.
    case vertex

    /// The version of the format that a body has to name, on hosts other than Anthropic's own.
    var version: String? {
        switch self {
        case .anthropic: nil
        case .vertex: "vertex-2023-10-16"
        }
    }

    /// - Errors: `.badChatCompletion` when the path cannot be written.
    func path(for model: ChatModel, isStream: Bool) throws(GatewayError) -> String {
        switch self {
        case .anthropic: return "v1/messages"
        case .vertex:
            let name = VertexModel(model.name).name
            guard UntrustedPath.isModelName(name) else {
                throw ChatCompletionRequest.refusal("'\(model.name)' is no name of a model")
            }
            return try VertexPath.models(of: "anthropic", model.place) + name
                + (isStream ? ":streamRawPredict" : ":rawPredict")
        }
    }
}
