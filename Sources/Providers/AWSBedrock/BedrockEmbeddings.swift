import GatewayCore
import NIOCore
import WireFormats

/// Embeddings by the families of models that Bedrock has for it, each invoked in its own form (providers.md §13).
struct BedrockEmbeddings: EmbeddingTranslator {
    enum Family: Sendable { case titan, cohere, nova }

    let family: Family

    /// Nil: the model makes no embeddings that are known here.
    init?(model: String) {
        if model.contains("amazon.titan-embed-text") {
            family = .titan
        } else if model.contains("cohere.embed-") {
            family = .cohere
        } else if model.contains("amazon.nova-"), model.contains("embeddings") {
            family = .nova
        } else {
            return nil
        }
    }

    /// Texts of one call of Cohere's models (documented).
    private static let limit = 96

    func calls(_ request: EmbeddingRequest, for model: ChatModel) throws(GatewayError) -> EmbeddingCalls {
        guard let name = UntrustedPath.segment(model.name) else {
            throw EmbeddingRequest.refusal("`model` cannot stand in a path")
        }
        let bodies: [ByteBuffer]
        switch family {
        case .titan: bodies = request.texts.map { Self.titan($0, request) }
        case .nova: bodies = request.texts.map { Self.nova($0, request) }
        case .cohere:
            bodies = request.groups(of: Self.limit).map { texts in
                var out = JSONWriter()
                out.beginObject()
                CohereEmbeddings.write(texts, request, into: &out)
                out.endObject()
                return out.buffer
            }
        }
        let region = model.place?.region ?? "us-east-1"
        return EmbeddingCalls(path: "bedrock-runtime/\(region)/model/\(name)/invoke", bodies: bodies)
    }

    private static func titan(_ text: String, _ request: EmbeddingRequest) -> ByteBuffer {
        var out = JSONWriter()
        out.beginObject()
        out.key("inputText")
        out.string(text)
        if let dimensions = request.dimensions {
            out.key("dimensions")
            out.int(dimensions)
            out.key("normalize")
            out.bool(true)
        }
        out.endObject()
        return out.buffer
    }

    private static func nova(_ text: String, _ request: EmbeddingRequest) -> ByteBuffer {
        var out = JSONWriter()
        out.beginObject()
        out.key("taskType")
        out.string("SINGLE_EMBEDDING")
        out.key("singleEmbeddingParams")
        out.beginObject()
        out.key("embeddingPurpose")
        out.string(request.purpose ?? "GENERIC_INDEX")
        if let dimensions = request.dimensions {
            out.key("embeddingDimension")
            out.int(dimensions)
        }
        out.key("text")
        out.beginObject()
        out.key("truncationMode")
        out.string("END")
        out.key("value")
        out.string(text)
        out.endObject()
        out.endObject()
        out.endObject()
        return out.buffer
    }

    /// All answers as a list of vectors and a sum, in the one form that `read` knows besides each family's own.
    func joined(_ answers: [ByteBuffer]) -> ByteBuffer? {
        var vectors: [String] = []
        var tokens: Int?
        for answer in answers {
            let isSound = answer.withUnsafeReadableBytes { bytes in
                let view = JSONView(bytes)
                guard let list = texts(ofVectorsIn: view) else { return false }
                vectors.append(contentsOf: list)
                if let count = view.count("inputTextTokenCount") { tokens = (tokens ?? 0) + count }
                return true
            }
            guard isSound else { return nil }
        }
        let count = tokens.map { #","inputTextTokenCount":\#($0)"# } ?? ""
        return ByteBuffer(string: #"{"vectors":[\#(vectors.joined(separator: ","))]\#(count)}"#)
    }

    /// JSON text of every vector in an answer.
    private func texts(ofVectorsIn view: JSONView) -> [String]? {
        func text(_ view: JSONView) -> String { String(decoding: view.bytes, as: UTF8.self) }
        switch family {
        case .titan: return view.member("embedding").map { [text($0)] }
        case .nova: return view.member("embeddings")?.each { $0.member("embedding").map(text) }
        case .cohere: return CohereEmbeddings.floats(view)?.each { text($0) }
        }
    }

    func read(_ answer: UnsafeRawBufferPointer) -> EmbeddingVectors? {
        let view = JSONView(answer)
        let tokens = view.count("inputTextTokenCount")
        if let joined = view.member("vectors") {
            return joined.vectors.map { EmbeddingVectors(vectors: $0, tokens: tokens) }
        }
        guard let texts = texts(ofVectorsIn: view) else { return nil }
        var vectors: [[Float]] = []
        for text in texts {
            var text = text
            let vector = text.withUTF8 { JSONView(UnsafeRawBufferPointer($0)).vector }
            guard let vector else { return nil }
            vectors.append(vector)
        }
        return EmbeddingVectors(vectors: vectors, tokens: tokens)
    }

    func failure(status: Int, _ body: UnsafeRawBufferPointer) -> ChatFailure {
        let view = JSONView(body)
        let message = (view.member("message") ?? view.member("Message"))?.string
        return ChatFailure(status: status, message: message ?? ChatFailure.text(of: body), provider: "aws-bedrock")
    }
}
