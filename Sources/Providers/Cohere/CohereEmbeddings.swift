import GatewayCore
import NIOCore
import WireFormats

/// Embeddings by Cohere's version 2 (providers.md §13).
struct CohereEmbeddings: EmbeddingTranslator {
    /// Texts of one call (documented).
    private static let limit = 96

    func calls(_ request: EmbeddingRequest, for model: ChatModel) throws(GatewayError) -> EmbeddingCalls {
        let bodies = request.groups(of: Self.limit).map { texts in
            var out = JSONWriter()
            out.beginObject()
            out.key("model")
            out.string(model.name)
            Self.write(texts, request, into: &out)
            out.endObject()
            return out.buffer
        }
        return EmbeddingCalls(path: "v2/embed", bodies: bodies)
    }

    /// The members that Cohere's models take wherever they run.
    static func write(_ texts: ArraySlice<String>, _ request: EmbeddingRequest, into out: inout JSONWriter) {
        out.key("texts")
        out.beginArray()
        for text in texts { out.string(text) }
        out.endArray()
        out.key("input_type")
        out.string(request.purpose ?? "search_document")
        out.key("embedding_types")
        out.raw(#"["float"]"#)
        if let dimensions = request.dimensions {
            out.key("output_dimension")
            out.int(dimensions)
        }
    }

    func joined(_ answers: [ByteBuffer]) -> ByteBuffer? {
        var vectors: [String] = []
        var tokens: Int?
        for answer in answers {
            let isSound = answer.withUnsafeReadableBytes { bytes in
                let view = JSONView(bytes)
                guard let list = Self.floats(view) else { return false }
                list.forEachElement { vectors.append(String(decoding: $0.bytes, as: UTF8.self)) }
                if let count = Self.tokens(view) { tokens = (tokens ?? 0) + count }
                return true
            }
            guard isSound else { return nil }
        }
        let meta = tokens.map { #","meta":{"billed_units":{"input_tokens":\#($0)}}"# } ?? ""
        return ByteBuffer(string: #"{"embeddings":{"float":[\#(vectors.joined(separator: ","))]}\#(meta)}"#)
    }

    func read(_ answer: UnsafeRawBufferPointer) -> EmbeddingVectors? {
        let view = JSONView(answer)
        guard let vectors = Self.floats(view)?.vectors else { return nil }
        return EmbeddingVectors(vectors: vectors, tokens: Self.tokens(view))
    }

    /// By type, or, where no type was asked for, the list itself.
    static func floats(_ answer: JSONView) -> JSONView? {
        guard let embeddings = answer.member("embeddings") else { return nil }
        return embeddings.kind == .array ? embeddings : embeddings.member("float")
    }

    private static func tokens(_ answer: JSONView) -> Int? {
        answer.member("meta")?.member("billed_units")?.count("input_tokens")
    }

    func failure(status: Int, _ body: UnsafeRawBufferPointer) -> ChatFailure {
        let message = JSONView(body).member("message")?.string
        return ChatFailure(status: status, message: message ?? ChatFailure.text(of: body), provider: "cohere")
    }
}
