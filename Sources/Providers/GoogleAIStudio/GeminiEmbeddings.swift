import GatewayCore
import NIOCore
import WireFormats

/// Embeddings by Gemini with an API key (providers.md §13).
struct GeminiEmbeddings: EmbeddingTranslator {
    /// Texts of one call (documented).
    private static let limit = 100

    func calls(_ request: EmbeddingRequest, for model: ChatModel) throws(GatewayError) -> EmbeddingCalls {
        let name = UntrustedPath.segment(model.name)
        guard let name else { throw EmbeddingRequest.refusal("`model` cannot stand in a path") }
        let bodies = request.groups(of: Self.limit).map { texts in
            var out = JSONWriter()
            out.beginObject()
            out.key("requests")
            out.beginArray()
            for text in texts { write(text, request, model.name, into: &out) }
            out.endArray()
            out.endObject()
            return out.buffer
        }
        return EmbeddingCalls(path: "v1beta/models/\(name):batchEmbedContents", bodies: bodies)
    }

    private func write(_ text: String, _ request: EmbeddingRequest, _ model: String, into out: inout JSONWriter) {
        out.beginObject()
        out.key("model")
        out.string("models/" + model)
        out.key("content")
        out.beginObject()
        out.key("parts")
        out.beginArray()
        out.beginObject()
        out.key("text")
        out.string(text)
        out.endObject()
        out.endArray()
        out.endObject()
        if let purpose = request.purpose {
            out.key("taskType")
            out.string(purpose)
        }
        if let dimensions = request.dimensions {
            out.key("outputDimensionality")
            out.int(dimensions)
        }
        out.endObject()
    }

    func joined(_ answers: [ByteBuffer]) -> ByteBuffer? {
        var vectors: [String] = []
        var tokens: Int?
        for answer in answers {
            let isSound = answer.withUnsafeReadableBytes { bytes in
                let view = JSONView(bytes)
                guard let list = view.member("embeddings"), list.kind == .array else { return false }
                list.forEachElement { vectors.append(String(decoding: $0.bytes, as: UTF8.self)) }
                if let count = view.member("usageMetadata")?.count("promptTokenCount") {
                    tokens = (tokens ?? 0) + count
                }
                return true
            }
            guard isSound else { return nil }
        }
        let usage = tokens.map { #","usageMetadata":{"promptTokenCount":\#($0),"totalTokenCount":\#($0)}"# } ?? ""
        return ByteBuffer(string: #"{"embeddings":[\#(vectors.joined(separator: ","))]\#(usage)}"#)
    }

    /// Shortened vectors of older models do not have length 1, which clients rely on; to others it changes nothing.
    func read(_ answer: UnsafeRawBufferPointer) -> EmbeddingVectors? {
        let view = JSONView(answer)
        guard let vectors = view.member("embeddings")?.each({ $0.member("values")?.vector }) else { return nil }
        return EmbeddingVectors(
            vectors: vectors.map(\.normalized), tokens: view.member("usageMetadata")?.count("promptTokenCount"))
    }

    func failure(status: Int, _ body: UnsafeRawBufferPointer) -> ChatFailure {
        GeminiFailure(provider: "google-ai-studio").read(status: status, body)
    }
}
