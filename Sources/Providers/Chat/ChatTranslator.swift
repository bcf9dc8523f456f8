package import GatewayCore
package import NIOCore

/// How chat completions are carried to and from a provider with a chat format of its own (data-plane §1.10).
///
/// Pure: bytes in, bytes out. One value per provider, used by all requests.
package protocol ChatTranslator: ChatAnswerTranslator {
    /// The provider's form of an OpenAI chat request.
    ///
    /// - Parameters:
    ///   - body: one valid JSON object.
    ///   - model: the model as the provider knows it, and what the catalogue says of it.
    /// - Errors: `.badChatCompletion` with a message for the client, where a request cannot be expressed.
    func request(_ body: UnsafeRawBufferPointer, for model: ChatModel) throws(GatewayError) -> TranslatedChat

    /// The same with what had to be got for it; for translators that ask for something.
    func request(
        _ body: UnsafeRawBufferPointer, for model: ChatModel, with supplements: ChatSupplements
    ) throws(GatewayError) -> TranslatedChat

    /// The ids of calls in a request's history to which reasoning belongs that the client left out.
    ///
    /// Asked only where `reasoning` is not nil; what is found comes back in the supplements.
    func callsWithoutReasoning(_ body: UnsafeRawBufferPointer, for model: ChatModel) -> [String]

    /// Addresses in a request whose contents the provider wants inside the request.
    ///
    /// All of them are in the supplements afterwards, or the request was refused.
    func remoteMedia(_ body: UnsafeRawBufferPointer, for model: ChatModel) -> [String]
}

extension ChatTranslator {
    package func request(
        _ body: UnsafeRawBufferPointer, for model: ChatModel, with supplements: ChatSupplements
    ) throws(GatewayError) -> TranslatedChat {
        try request(body, for: model)
    }

    package func callsWithoutReasoning(_ body: UnsafeRawBufferPointer, for model: ChatModel) -> [String] { [] }
    package func remoteMedia(_ body: UnsafeRawBufferPointer, for model: ChatModel) -> [String] { [] }
}

/// How a provider's answers to chat completions become OpenAI's.
package protocol ChatAnswerTranslator: Sendable {
    /// What becomes of answers that are no chat of the provider's format.
    var foreignAnswers: ForeignAnswers { get }

    /// A whole successful answer in OpenAI's form.
    ///
    /// - Errors: `.unparsableModelOutput` when it is not what the provider's format promises.
    func answer(_ body: UnsafeRawBufferPointer, _ terms: ChatTerms) throws(GatewayError) -> ChatAnswer

    /// The same; adds what is to be remembered of the answer's reasoning.
    func answer(
        _ body: UnsafeRawBufferPointer, _ terms: ChatTerms, noting notes: inout [ReasoningNote]
    ) throws(GatewayError) -> ChatAnswer

    /// What of the model's reasoning has to come back with the next request, though clients lose it; nil: nothing.
    var reasoning: ReasoningKind? { get }

    /// The header that names an answer whose body does not; nil: the body does.
    var answerIDHeader: StaticString? { get }

    /// A provider's error; anything that is no error object of its format is quoted as text.
    func failure(status: Int, _ body: UnsafeRawBufferPointer) -> ChatFailure

    /// The state of a streamed answer of which nothing has come.
    func stream(_ terms: ChatTerms) -> any ChatStreamTranslator
}

/// What becomes of errors, and of answers of a content type that no chat has.
package enum ForeignAnswers: Sendable {
    /// They become OpenAI's errors.
    case translated
    /// They are relayed as they are: the provider's form is OpenAI's (decisions 4).
    case relayed
}

extension ChatAnswerTranslator {
    package var foreignAnswers: ForeignAnswers { .translated }
    package var reasoning: ReasoningKind? { nil }
    package var answerIDHeader: StaticString? { nil }

    package func answer(
        _ body: UnsafeRawBufferPointer, _ terms: ChatTerms, noting notes: inout [ReasoningNote]
    ) throws(GatewayError) -> ChatAnswer {
        try answer(body, terms)
    }
}

/// The translation of one streamed answer, fed with its events in order.
package protocol ChatStreamTranslator: Sendable {
    /// Adds the events for the client that one event of the provider becomes; none once the state is final.
    mutating func take(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, into out: inout ByteBuffer
    )

    /// Takes the end of the provider's stream: completes an answer that has said all it had to say.
    mutating func finish(into out: inout ByteBuffer)

    /// How far the answer has come.
    var state: ChatStreamState { get }

    /// What is to be remembered of the answer's reasoning, as far as it has come.
    var notes: [ReasoningNote] { get }
}

extension ChatStreamTranslator {
    package mutating func finish(into out: inout ByteBuffer) {}
    package var notes: [ReasoningNote] { [] }
}

/// How far a streamed answer has come.
///
/// - open: more has to come; a stream that ends here is cut. Next: complete, failed.
/// - complete: everything was written, `[DONE]` included. Final.
/// - failed: the provider reported an error. Final.
package enum ChatStreamState: Sendable, Equatable {
    case open
    case complete
    case failed(ChatFailure)
}

/// A model as a translation sees it.
package struct ChatModel: Sendable {
    /// The name that the provider knows.
    package var name: String
    /// Tokens; nil when the catalogue does not say.
    package var maxOutput: Int?
    /// Flags of providers.md §5.1 `caps`; nil when the catalogue says nothing.
    package var capabilities: Set<String>?
    /// What the call's credential tells; nil when it tells nothing.
    package var place: CredentialPlace?

    package init(
        name: String, maxOutput: Int? = nil, capabilities: Set<String>? = nil, place: CredentialPlace? = nil
    ) {
        self.name = name
        self.maxOutput = maxOutput
        self.capabilities = capabilities
        self.place = place
    }

    /// Whether the catalogue says that the model has this property.
    func has(_ capability: String) -> Bool { capabilities?.contains(capability) ?? false }
}

/// A chat request as a provider with a format of its own gets it.
package struct TranslatedChat: Sendable {
    /// Native path, as a client of the provider would write it.
    package var path: String
    /// Without the question mark.
    package var query: String?
    /// Header fields that belong to the request and not to its credential.
    package var fields: [(name: StaticString, value: String)] = []
    package var body: ByteBuffer
    /// Further calls that belong to the request; nil: one is enough.
    package var further: FurtherCalls?
    package var terms: ChatTerms
    /// What of the client's request is not in it.
    package var dropped = DroppedMembers()
}

/// What of a request decides how its answer is written.
package struct ChatTerms: Sendable {
    /// Whether a stream ends with a chunk that carries the usage.
    package enum UsageChunk: Sendable { case wanted, withheld }

    /// How the client spells calls of functions.
    package enum CallStyle: Sendable {
        /// `tool_calls`
        case tools
        /// The deprecated `function_call`
        case function
    }

    package var usageChunk = UsageChunk.withheld
    package var callStyle = CallStyle.tools
    /// When the answer counts as made, in seconds since 1970.
    package var created = 0
    /// The client's names of functions that had to be renamed for the provider.
    package var toolNames: [String: String] = [:]
    /// The model that was asked for, as the provider knows it: told to clients where an answer names none.
    package var model = ""
    /// The name of the forced tool whose input is the answer's text.
    package var outputTool: String?
    /// The answer's name where its body does not tell it; empty when nothing tells it.
    package var answerID = ""
    /// What the client wants of embeddings; nil for chats.
    package var embedding: EmbeddingTerms?

    package init() {}

    /// The name under which the client knows a function.
    func clientName(_ name: String) -> String { toolNames[name] ?? name }
}

/// What a whole answer with a successful status turned out to be.
package enum ChatAnswer: Sendable, Equatable {
    case completion(ByteBuffer)
    /// An error that came with a successful status.
    case failure(ChatFailure)
}
