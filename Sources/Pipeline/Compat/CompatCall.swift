import GatewayCore
import NIOCore
import Providers

/// A call of the OpenAI-compatible endpoint in the form in which its provider is asked: for most a chat.
struct CompatCall {
    /// The body that is translated or rewritten, and what it says.
    private(set) var facts: CompatBody
    /// What carries the body to a format of the provider's own; nil where it goes to the OpenAI-shaped surface.
    let translator: (any ChatTranslator)?
    /// What changes a body that goes to that surface, besides its model; nil: nothing.
    private(set) var adapter: EmbeddingAdapter?
    /// Path below the surface's base.
    let endpoint: CompatEndpoint
    /// Makes the base that the endpoint has from the surface's; nil: it is the same.
    private(set) var rebase: (@Sendable (String) -> String)?
    /// What of the client's request the body does not tell.
    private(set) var dropped = DroppedMembers()
    /// What an answer of the Responses API repeats, where a chat is made into one.
    private var echo: ResponsesEcho?

    /// - Parameters:
    ///   - asked: what the client addressed.
    ///   - client: its body.
    ///   - model: the name behind the provider prefix.
    /// - Errors: `.invalidProvider` where the provider has nothing of the kind, `.badChatCompletion` for what cannot be
    ///   expressed.
    init(
        _ asked: CompatEndpoint, _ client: CompatBody, _ provider: ProviderDefinition, model: String
    ) throws(GatewayError) {
        switch asked {
        case .chat, .models:
            (facts, endpoint) = (client, .chat)
            translator = provider.compat.translator(for: model)
        case .embeddings:
            (facts, endpoint) = (client, .embeddings)
            switch provider.embeddings {
            case .openAI: translator = nil
            case .adapted(let own):
                translator = nil
                adapter = own
            case .translated(let find):
                translator = find(model)
                if translator == nil { throw Self.unsupported(provider, asked) }
            case .unsupported: throw Self.unsupported(provider, asked)
            }
        case .responses:
            guard case .chat(let webSearch) = provider.responses else {
                (facts, endpoint, translator) = (client, .responses, nil)
                if case .native(let base) = provider.responses { rebase = base }
                return
            }
            endpoint = .chat
            translator = provider.compat.translator(for: model)
            let usage: ResponsesRequest.UsageOption = translator == nil ? .left : .asked
            let result: Result<ResponsesRequest, GatewayError> = client.bytes.withUnsafeReadableBytes { bytes in
                do throws(GatewayError) {
                    return .success(
                        try ResponsesRequest(bytes, for: provider.id, webSearch: webSearch, usage: usage))
                } catch {
                    return .failure(error)
                }
            }
            let request = try result.get()
            facts = try CompatBody.read(request.chat)
            (echo, dropped) = (request.echo, request.dropped)
        }
    }

    /// The same call with another body.
    func with(body: ByteBuffer) throws(GatewayError) -> CompatCall {
        var call = self
        call.facts = try CompatBody.read(body)
        return call
    }

    /// How the answer is carried back to the client, given how it becomes a chat.
    func translation(
        _ chat: ChatTranslation?, _ provider: ProviderDefinition, at instant: Instant
    ) -> ChatTranslation? {
        guard let echo else { return chat }
        var terms = chat?.terms ?? ChatTerms()
        terms.created = Int(instant.milliseconds / 1000)
        // The last event of a response always says it.
        terms.usageChunk = .wanted
        return ChatTranslation(
            translator: ResponsesAnswers(of: chat?.translator, echo, provider: provider.id), terms: terms,
            notes: chat?.notes
        )
    }

    /// What the relay has to do to the answer.
    ///
    /// - Parameter shape: what it would do to a chat's.
    func replyShape(_ shape: ReplyShape) -> ReplyShape {
        // Of the provider's own answer nothing; one that was written anew has no chunk for the gateway alone.
        if endpoint == .responses { return .asIs }
        return echo == nil ? shape : .compat
    }

    private static func unsupported(_ provider: ProviderDefinition, _ asked: CompatEndpoint) -> GatewayError {
        GatewayError(
            .invalidProvider, origin: .client, detail: "\(provider.id) has no \(asked.rawValue)",
            message: "\(provider.id) has no \(asked.rawValue) for this model"
        )
    }
}
