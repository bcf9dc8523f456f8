import GatewayCore
import NIOCore
import WireFormats

/// Through which of Google's services a model is called.
enum GeminiService: Sendable {
    /// The Gemini API, with an API key.
    case aiStudio
    /// Vertex AI, inside of a project.
    case vertex
}

/// Chat completions through Gemini's `generateContent` (providers.md §8).
struct GeminiChat: ChatTranslator {
    let provider: String
    let service: GeminiService

    var reasoning: ReasoningKind? { .signature }

    func request(_ body: UnsafeRawBufferPointer, for model: ChatModel) throws(GatewayError) -> TranslatedChat {
        try request(body, for: model, with: ChatSupplements())
    }

    func request(
        _ body: UnsafeRawBufferPointer, for model: ChatModel, with supplements: ChatSupplements
    ) throws(GatewayError) -> TranslatedChat {
        let gemini = GeminiModel(model)
        guard gemini.isNameSound else {
            throw ChatCompletionRequest.refusal("'\(model.name)' is no name of a model")
        }
        let chat = try ChatCompletionRequest(body, choices: .several)
        let base = try base(gemini, model)
        var writer = GeminiRequest(chat, gemini, service, supplements)
        let json = try writer.write()
        return TranslatedChat(
            path: base + (chat.isStream ? ":streamGenerateContent" : ":generateContent"),
            query: chat.isStream ? "alt=sse" : nil, fields: try writer.fields(), body: json, terms: writer.terms,
            dropped: writer.dropped
        )
    }

    /// The path up to the colon.
    private func base(_ gemini: GeminiModel, _ model: ChatModel) throws(GatewayError) -> String {
        switch service {
        case .aiStudio:
            return gemini.isTuned ? "v1beta/" + gemini.name : "v1beta/models/" + gemini.name
        case .vertex: return try VertexPath.models(of: "google", model.place) + gemini.name
        }
    }

    // MARK: What else a request needs

    func callsWithoutReasoning(_ body: UnsafeRawBufferPointer, for model: ChatModel) -> [String] {
        guard GeminiModel(model).knowsSignatures, let chat = try? ChatCompletionRequest(body, choices: .several) else {
            return []
        }
        var ids: [String] = []
        for message in chat.messages where !message.calls.contains(where: { $0.signature != nil }) {
            ids += message.calls.map(\.id)
        }
        return ids
    }

    func remoteMedia(_ body: UnsafeRawBufferPointer, for model: ChatModel) -> [String] {
        guard let chat = try? ChatCompletionRequest(body, choices: .several) else { return [] }
        return chat.imageAddresses { GeminiMedia.needsFetch($0) }
    }

    // MARK: Answers

    func answer(_ body: UnsafeRawBufferPointer, _ terms: ChatTerms) throws(GatewayError) -> ChatAnswer {
        var notes: [ReasoningNote] = []
        return try answer(body, terms, noting: &notes)
    }

    func answer(
        _ body: UnsafeRawBufferPointer, _ terms: ChatTerms, noting notes: inout [ReasoningNote]
    ) throws(GatewayError) -> ChatAnswer {
        let view = JSONView(body)
        guard JSONScan.validate(body), view.kind == .object || view.kind == .array else { throw Self.unreadable }
        if let failure = failure.read(view, status: nil) { return .failure(failure) }
        guard view.kind == .object, let completion = GeminiReply.read(view, terms) else { throw Self.unreadable }
        for call in completion.choices.flatMap(\.calls) {
            guard let signature = call.signature, notes.count < ReasoningBounds.notesPerAnswer else { continue }
            notes.append(ReasoningNote(callID: call.id, content: signature))
        }
        return .completion(completion.json(terms))
    }

    private static var unreadable: GatewayError {
        GatewayError(.unparsableModelOutput, origin: .provider, detail: "the answer is no object of generateContent")
    }

    private var failure: GeminiFailure { GeminiFailure(provider: provider) }

    func failure(status: Int, _ body: UnsafeRawBufferPointer) -> ChatFailure {
        failure.read(status: status, body)
    }

    func stream(_ terms: ChatTerms) -> any ChatStreamTranslator { GeminiStream(terms, failure) }
}
