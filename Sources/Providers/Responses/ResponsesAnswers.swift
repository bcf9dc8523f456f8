package import GatewayCore
import NIOCore
import WireFormats

/// Answers of chats as answers of the Responses API (providers.md §14.1).
package struct ResponsesAnswers: ChatAnswerTranslator {
    /// What makes chats of the provider's answers; nil: they are chats.
    private let chat: (any ChatAnswerTranslator)?
    private let echo: ResponsesEcho
    private let provider: String

    package init(of chat: (any ChatAnswerTranslator)?, _ echo: ResponsesEcho, provider: ProviderID) {
        self.chat = chat
        self.echo = echo
        self.provider = provider.rawValue
    }

    package var foreignAnswers: ForeignAnswers { chat?.foreignAnswers ?? .relayed }
    package var reasoning: ReasoningKind? { chat?.reasoning }
    package var answerIDHeader: StaticString? { chat?.answerIDHeader }

    package func answer(_ body: UnsafeRawBufferPointer, _ terms: ChatTerms) throws(GatewayError) -> ChatAnswer {
        var notes: [ReasoningNote] = []
        return try answer(body, terms, noting: &notes)
    }

    package func answer(
        _ body: UnsafeRawBufferPointer, _ terms: ChatTerms, noting notes: inout [ReasoningNote]
    ) throws(GatewayError) -> ChatAnswer {
        guard let chat else { return try response(body) }
        switch try chat.answer(body, terms, noting: &notes) {
        case .failure(let failure): return .failure(failure)
        case .completion(let completion):
            let result: Result<ChatAnswer, GatewayError> = completion.withUnsafeReadableBytes { bytes in
                do throws(GatewayError) { return .success(try response(bytes)) } catch { return .failure(error) }
            }
            return try result.get()
        }
    }

    private func response(_ completion: UnsafeRawBufferPointer) throws(GatewayError) -> ChatAnswer {
        let view = JSONView(completion)
        if let error = view.member("error"), error.kind == .object {
            return .failure(ResponsesStream.failure(error, provider))
        }
        guard JSONScan.validate(completion), let answer = ResponsesAnswer(view, echo, by: provider) else {
            throw GatewayError(.unparsableModelOutput, origin: .provider, detail: "no chat completion")
        }
        var out = JSONWriter()
        answer.write(into: &out)
        return .completion(out.buffer)
    }

    package func failure(status: Int, _ body: UnsafeRawBufferPointer) -> ChatFailure {
        chat?.failure(status: status, body)
            ?? ChatFailure(status: status, message: ChatFailure.text(of: body), provider: provider)
    }

    package func stream(_ terms: ChatTerms) -> any ChatStreamTranslator {
        ResponsesStream(of: chat?.stream(terms), echo, provider: provider)
    }
}
