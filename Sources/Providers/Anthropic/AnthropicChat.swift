import GatewayCore
import NIOCore
import WireFormats

/// Chat completions through Anthropic's Messages API (providers.md §7).
struct AnthropicChat: ChatTranslator {
    let provider: String
    var host = AnthropicHost.anthropic

    func request(_ body: UnsafeRawBufferPointer, for model: ChatModel) throws(GatewayError) -> TranslatedChat {
        try request(body, for: model, with: ChatSupplements())
    }

    func request(
        _ body: UnsafeRawBufferPointer, for model: ChatModel, with supplements: ChatSupplements
    ) throws(GatewayError) -> TranslatedChat {
        var chat = try ChatCompletionRequest(body)
        chat.restoreThinking(supplements.reasoning)
        var writer = AnthropicRequest(chat, model, host, media: supplements.media)
        let path = try host.path(for: model, isStream: chat.isStream)
        let json = try writer.write()
        return TranslatedChat(path: path, body: json, terms: writer.terms, dropped: writer.dropped)
    }

    var reasoning: ReasoningKind? { .blocks }

    func callsWithoutReasoning(_ body: UnsafeRawBufferPointer, for model: ChatModel) -> [String] {
        AnthropicThinking.callsWithoutBlocks(body, for: model)
    }

    func remoteMedia(_ body: UnsafeRawBufferPointer, for model: ChatModel) -> [String] {
        guard host == .vertex, let chat = try? ChatCompletionRequest(body) else { return [] }
        return chat.imageAddresses { $0.lowercased().hasPrefix("https://") }
    }

    func answer(_ body: UnsafeRawBufferPointer, _ terms: ChatTerms) throws(GatewayError) -> ChatAnswer {
        var notes: [ReasoningNote] = []
        return try answer(body, terms, noting: &notes)
    }

    func answer(
        _ body: UnsafeRawBufferPointer, _ terms: ChatTerms, noting notes: inout [ReasoningNote]
    ) throws(GatewayError) -> ChatAnswer {
        let view = JSONView(body)
        guard JSONScan.validate(body), view.kind == .object else { throw Self.unreadable }
        if view.member("type")?.string == "error" { return .failure(failure(in: view, status: nil)) }
        guard let completion = AnthropicReply.read(view, terms) else { throw Self.unreadable }
        notes += completion.choices.compactMap(\.note)
        return .completion(completion.json(terms))
    }

    private static var unreadable: GatewayError {
        GatewayError(.unparsableModelOutput, origin: .provider, detail: "the answer is no Messages object")
    }

    func failure(status: Int, _ body: UnsafeRawBufferPointer) -> ChatFailure {
        let view = JSONView(body)
        if JSONScan.validate(body), view.member("error")?.kind == .object { return failure(in: view, status: status) }
        return ChatFailure(status: status, message: ChatFailure.text(of: body), provider: provider)
    }

    func stream(_ terms: ChatTerms) -> any ChatStreamTranslator { AnthropicStream(terms, self) }

    /// The error that an object of Anthropic's tells of.
    ///
    /// - Parameter status: nil where HTTP has told of success.
    func failure(in view: JSONView, status: Int?) -> ChatFailure {
        let error = view.member("error")
        let type = error?.member("type")?.string ?? ""
        let message = error?.member("message")?.string ?? (type.isEmpty ? "The provider gave no reason" : type)
        return ChatFailure(status: status ?? Self.status(of: type), message: message, provider: provider)
    }

    /// The status that Anthropic gives a kind of error (providers.md §12.1).
    private static func status(of type: String) -> Int {
        switch type {
        case "invalid_request_error": 400
        case "authentication_error": 401
        case "billing_error": 402
        case "permission_error": 403
        case "not_found_error": 404
        case "request_too_large": 413
        case "rate_limit_error": 429
        case "timeout_error": 504
        case "overloaded_error": 529
        default: 500
        }
    }

    /// Why a model stopped (providers.md §7.2); nil when it was not said.
    static func finish(_ reason: JSONView?) -> ChatFinish? {
        guard let word = reason?.string else { return nil }
        return switch word {
        case "max_tokens", "model_context_window_exceeded", "compaction", "pause_turn": .length
        case "tool_use": .toolCalls
        case "refusal": .contentFilter
        default: .stop
        }
    }
}
