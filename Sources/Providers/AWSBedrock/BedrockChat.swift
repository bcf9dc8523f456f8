import GatewayCore
import NIOCore
import WireFormats

/// Chat completions through Bedrock's Converse (providers.md §9), for every family of models.
struct BedrockChat: ChatTranslator {
    let provider: String

    /// Where models are called when the credential does not say (providers.md §1.4).
    static let usualRegion = "us-east-1"

    let answerIDHeader: StaticString? = "x-amzn-requestid"

    func request(_ body: UnsafeRawBufferPointer, for model: ChatModel) throws(GatewayError) -> TranslatedChat {
        try request(body, for: model, with: ChatSupplements())
    }

    func request(
        _ body: UnsafeRawBufferPointer, for model: ChatModel, with supplements: ChatSupplements
    ) throws(GatewayError) -> TranslatedChat {
        var chat = try ChatCompletionRequest(body)
        chat.restoreThinking(supplements.reasoning)
        let region = model.place?.region ?? Self.usualRegion
        guard BedrockHost.isRegion(region[...]) else {
            throw GatewayError(
                .storedKeyUnavailable, origin: .gateway,
                message: "The credential for Amazon Bedrock names a region that is none"
            )
        }
        var writer = BedrockRequest(chat, model, supplements)
        let written = try writer.write()
        let verb = chat.isStream ? "converse-stream" : "converse"
        let path = "bedrock-runtime/\(region)/model/\(Self.encoded(model.name))/\(verb)"
        return TranslatedChat(path: path, body: written, terms: writer.terms, dropped: writer.dropped)
    }

    var reasoning: ReasoningKind? { .blocks }

    func callsWithoutReasoning(_ body: UnsafeRawBufferPointer, for model: ChatModel) -> [String] {
        BedrockModel(model.name).isClaude ? AnthropicThinking.callsWithoutBlocks(body, for: model) : []
    }

    /// Images on the web; Converse takes bytes only.
    func remoteMedia(_ body: UnsafeRawBufferPointer, for model: ChatModel) -> [String] {
        guard let chat = try? ChatCompletionRequest(body) else { return [] }
        return chat.imageAddresses { BedrockMedia.isRemote($0) }
    }

    /// A model's name as one segment of a path; the names of resources have colons and slashes.
    private static func encoded(_ name: String) -> String {
        var text: [UInt8] = []
        for byte in name.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: text.append(byte)
            default:
                text.append(0x25)
                for digit in [byte >> 4, byte & 0xF] { text.append(digit < 10 ? digit + 0x30 : digit + 0x37) }
            }
        }
        return String(decoding: text, as: UTF8.self)
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
        if let completion = BedrockReply.read(view, terms) {
            notes += completion.choices.compactMap(\.note)
            return .completion(completion.json(terms))
        }
        guard view.member("output") == nil, Self.message(in: view) != nil else { throw Self.unreadable }
        return .failure(failure(in: view, status: 502))
    }

    private static var unreadable: GatewayError {
        GatewayError(.unparsableModelOutput, origin: .provider, detail: "the answer is no Converse object")
    }

    func failure(status: Int, _ body: UnsafeRawBufferPointer) -> ChatFailure {
        let view = JSONView(body)
        if JSONScan.validate(body), Self.message(in: view) != nil { return failure(in: view, status: status) }
        return ChatFailure(status: status, message: ChatFailure.text(of: body), provider: provider)
    }

    private func failure(in view: JSONView, status: Int) -> ChatFailure {
        let message = Self.message(in: view) ?? ""
        return ChatFailure(
            status: status, message: message.isEmpty ? "The provider gave no reason" : message, provider: provider
        )
    }

    private static func message(in view: JSONView) -> String? {
        (view.member("message") ?? view.member("Message"))?.string
    }

    func stream(_ terms: ChatTerms) -> any ChatStreamTranslator { BedrockStream(terms, self) }

    /// What an exception among the events of a stream stands for.
    ///
    /// - Parameters:
    ///   - type: `throttlingException` and its like.
    ///   - view: the exception's payload.
    func failure(type: String, in view: JSONView) -> ChatFailure {
        let message = Self.message(in: view) ?? ""
        return ChatFailure(
            status: Self.status(of: type), message: message.isEmpty ? (type.isEmpty ? "unknown" : type) : message,
            provider: provider
        )
    }

    /// The status of an exception (providers.md §12.1).
    private static func status(of type: String) -> Int {
        var kind = type.lowercased()[...]
        if kind.hasSuffix("exception") { kind = kind.dropLast(9) }
        return switch kind {
        case "validation", "servicequotaexceeded": 400
        case "accessdenied": 403
        case "resourcenotfound": 404
        case "modeltimeout": 408
        case "modelerror", "modelstreamerror": 424
        case "throttling", "modelnotready": 429
        case "serviceunavailable": 503
        default: 500
        }
    }

    /// Why a model stopped (providers.md §9.2); nil when it was not said.
    static func finish(_ reason: JSONView?) -> ChatFinish? {
        guard let word = reason?.string else { return nil }
        return switch word {
        case "max_tokens", "model_context_window_exceeded": .length
        case "tool_use": .toolCalls
        case "guardrail_intervened", "content_filtered": .contentFilter
        default: .stop
        }
    }
}
