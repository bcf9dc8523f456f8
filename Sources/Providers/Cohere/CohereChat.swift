import GatewayCore
import NIOCore
import WireFormats

/// Chat completions through Cohere's chat API, version 2 (providers.md §10).
struct CohereChat: ChatTranslator {
    let provider: String

    func request(_ body: UnsafeRawBufferPointer, for model: ChatModel) throws(GatewayError) -> TranslatedChat {
        var writer = CohereRequest(try ChatCompletionRequest(body), model)
        let json = try writer.write()
        return TranslatedChat(path: "v2/chat", body: json, terms: writer.terms, dropped: writer.dropped)
    }

    func answer(_ body: UnsafeRawBufferPointer, _ terms: ChatTerms) throws(GatewayError) -> ChatAnswer {
        let view = JSONView(body)
        guard JSONScan.validate(body), view.kind == .object else { throw Self.unreadable }
        switch Ending(view.member("finish_reason")) {
        case .failed(let status): return .failure(failure(in: view, status: status))
        case .stopped(let finish):
            guard let completion = CohereReply.read(view, finish, terms) else { throw Self.unreadable }
            return .completion(completion.json(terms))
        }
    }

    private static var unreadable: GatewayError {
        GatewayError(.unparsableModelOutput, origin: .provider, detail: "the answer is no chat of Cohere's")
    }

    func failure(status: Int, _ body: UnsafeRawBufferPointer) -> ChatFailure {
        let view = JSONView(body)
        if JSONScan.validate(body), view.member("message")?.kind == .string { return failure(in: view, status: status) }
        return ChatFailure(status: status, message: ChatFailure.text(of: body), provider: provider)
    }

    func stream(_ terms: ChatTerms) -> any ChatStreamTranslator { CohereStream(terms, self) }

    /// The error that an object with a `message` or an `error` tells of.
    func failure(in view: JSONView, status: Int) -> ChatFailure {
        let words = view.member("message")?.string ?? view.member("error")?.string ?? ""
        return ChatFailure(
            status: status, message: words.isEmpty ? "The provider gave no reason" : words, provider: provider
        )
    }

    /// How an answer ended (providers.md §10.2).
    enum Ending {
        /// Nil: the provider did not say why.
        case stopped(ChatFinish?)
        /// With the status that the reason stands for.
        case failed(status: Int)

        init(_ reason: JSONView?) {
            switch reason?.string {
            case nil: self = .stopped(nil)
            case "MAX_TOKENS": self = .stopped(.length)
            case "TOOL_CALL": self = .stopped(.toolCalls)
            case "ERROR_TOXIC": self = .stopped(.contentFilter)
            case "ERROR": self = .failed(status: 502)
            case "TIMEOUT": self = .failed(status: 504)
            default: self = .stopped(.stop)
            }
        }
    }
}
