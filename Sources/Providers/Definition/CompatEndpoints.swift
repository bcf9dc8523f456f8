import GatewayCore

/// What becomes of a call of `responses` on the OpenAI-compatible endpoint (providers.md §14.1).
package enum ResponsesRule: Sendable {
    /// It is carried out as a chat.
    ///
    /// - Parameter webSearch: whether chats of this provider can search the web.
    case chat(webSearch: WebSearch = .none)
    /// The provider has the endpoint itself; `base` makes its native path from that of the provider's chat.
    case native(base: @Sendable (String) -> String)

    package enum WebSearch: Sendable { case none, options }

    static let native = ResponsesRule.native { $0 }
}

/// What becomes of a call of `embeddings` on the OpenAI-compatible endpoint (providers.md §13).
package enum EmbeddingRule: Sendable {
    case unsupported
    /// The provider's OpenAI-shaped surface has the endpoint, and what it understands goes to it untouched.
    case openAI
    /// What had to be changed for a surface of that shape.
    case adapted(by: EmbeddingAdapter)
    /// The provider has a format of its own; the model's name decides.
    case translated(by: @Sendable (_ model: String) -> (any EmbeddingTranslator)?)
}
