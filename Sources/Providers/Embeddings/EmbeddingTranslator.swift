package import GatewayCore
package import NIOCore

/// How requests for embeddings are carried to a provider with a format of its own (providers.md §13).
///
/// A request that is too large for one call becomes several; their answers are joined in the provider's own format
/// before they are translated.
package protocol EmbeddingTranslator: ChatTranslator {
    /// What the provider gets: one call, or several at one path.
    func calls(_ request: EmbeddingRequest, for model: ChatModel) throws(GatewayError) -> EmbeddingCalls

    /// The answers of several calls, in order, as if they had been one; nil when one of them is none.
    func joined(_ answers: [ByteBuffer]) -> ByteBuffer?

    /// The vectors and the count of tokens in an answer; nil when it is none.
    func read(_ answer: UnsafeRawBufferPointer) -> EmbeddingVectors?
}

/// The calls that a request for embeddings becomes.
package struct EmbeddingCalls: Sendable {
    /// Native path, as a client of the provider would write it.
    package var path: String
    /// One or more.
    package var bodies: [ByteBuffer]

    init(path: String, bodies: [ByteBuffer]) {
        self.path = path
        self.bodies = bodies
    }
}

/// The vectors of an answer in the order of the inputs.
package struct EmbeddingVectors: Sendable, Equatable {
    package var vectors: [[Float]]
    /// Nil: the provider did not say.
    package var tokens: Int?
}

extension EmbeddingTranslator {
    package func request(
        _ body: UnsafeRawBufferPointer, for model: ChatModel
    ) throws(GatewayError) -> TranslatedChat {
        let request = try EmbeddingRequest(body)
        let calls = try calls(request, for: model)
        var terms = ChatTerms()
        terms.embedding = EmbeddingTerms(model: model.name, encoding: request.encoding, count: request.texts.count)
        guard let first = calls.bodies.first else { throw EmbeddingRequest.refusal("`input` must not be empty") }
        var chat = TranslatedChat(path: calls.path, body: first, terms: terms)
        if calls.bodies.count > 1 {
            chat.further = FurtherCalls(bodies: Array(calls.bodies.dropFirst())) { joined($0) }
        }
        return chat
    }

    package func answer(_ body: UnsafeRawBufferPointer, _ terms: ChatTerms) throws(GatewayError) -> ChatAnswer {
        guard let embedding = terms.embedding, let read = read(body), read.vectors.count == embedding.count else {
            throw GatewayError(
                .unparsableModelOutput, origin: .provider, detail: "not as many embeddings as there were inputs")
        }
        return .completion(EmbeddingList(read, embedding).json)
    }

    package func stream(_ terms: ChatTerms) -> any ChatStreamTranslator { ForeignStream() }
}

/// What of a request for embeddings decides how its answer is written.
package struct EmbeddingTerms: Sendable, Equatable {
    package enum Encoding: Sendable { case float, base64 }

    package var model: String
    package var encoding: Encoding
    /// Inputs, and so vectors.
    package var count: Int
}

/// Further calls that one request needs, at the path of the first one.
package struct FurtherCalls: Sendable {
    package var bodies: [ByteBuffer]
    /// Makes one answer of all of them, the first one's included; nil when one of them is none.
    package var join: @Sendable ([ByteBuffer]) -> ByteBuffer?
}
