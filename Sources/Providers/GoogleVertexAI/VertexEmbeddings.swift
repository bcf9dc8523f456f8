import GatewayCore
import NIOCore
import WireFormats

/// Embeddings by Google's models on Vertex AI (providers.md §13).
struct VertexEmbeddings: EmbeddingTranslator {
    /// Texts of one call (documented).
    private static let limit = 250

    func calls(_ request: EmbeddingRequest, for model: ChatModel) throws(GatewayError) -> EmbeddingCalls {
        let bare = model.name.hasPrefix("google/") ? String(model.name.dropFirst(7)) : model.name
        guard let project = model.place?.project.flatMap({ UntrustedPath.segment($0) }),
            let region = UntrustedPath.segment(model.place?.region ?? "us-central1"),
            let name = UntrustedPath.segment(bare)
        else { throw EmbeddingRequest.refusal("Vertex AI needs a service account as credential: it names the project") }
        let path = "v1/projects/\(project)/locations/\(region)/publishers/google/models/\(name)"
        if bare.hasPrefix("gemini-embedding-2") {
            return EmbeddingCalls(
                path: path + ":embedContent", bodies: request.texts.map { Self.content($0, request) })
        }
        let groups = request.groups(of: bare.hasPrefix("gemini-embedding") ? 1 : Self.limit)
        return EmbeddingCalls(path: path + ":predict", bodies: groups.map { Self.instances($0, request) })
    }

    private static func instances(_ texts: ArraySlice<String>, _ request: EmbeddingRequest) -> ByteBuffer {
        var out = JSONWriter()
        out.beginObject()
        out.key("instances")
        out.beginArray()
        for text in texts {
            out.beginObject()
            out.key("content")
            out.string(text)
            if let purpose = request.purpose {
                out.key("task_type")
                out.string(purpose)
            }
            out.endObject()
        }
        out.endArray()
        if let dimensions = request.dimensions {
            out.key("parameters")
            out.beginObject()
            out.key("outputDimensionality")
            out.int(dimensions)
            out.endObject()
        }
        out.endObject()
        return out.buffer
    }

    private static func content(_ text: String, _ request: EmbeddingRequest) -> ByteBuffer {
        var out = JSONWriter()
        out.beginObject()
        out.key("content")
        out.raw(#"{"parts":[{"text":\#(JSONPatch.quoted(text))}]}"#)
        if let purpose = request.purpose {
            out.key("taskType")
            out.string(purpose)
        }
        if let dimensions = request.dimensions {
            out.key("outputDimensionality")
            out.int(dimensions)
        }
        out.endObject()
        return out.buffer
    }

    /// Both kinds of answers, joined in the form of their kind: one list, one sum.
    func joined(_ answers: [ByteBuffer]) -> ByteBuffer? {
        var elements: [String] = []
        var tokens: Int?
        var kind = "predictions"
        for answer in answers {
            let isSound = answer.withUnsafeReadableBytes { bytes in
                let view = JSONView(bytes)
                if let list = view.member("predictions"), list.kind == .array {
                    list.forEachElement { elements.append(String(decoding: $0.bytes, as: UTF8.self)) }
                } else if let embedding = view.member("embedding"), embedding.kind == .object {
                    kind = "embeddings"
                    elements.append(String(decoding: embedding.bytes, as: UTF8.self))
                    if let count = view.member("usageMetadata")?.count("promptTokenCount") {
                        tokens = (tokens ?? 0) + count
                    }
                } else {
                    return false
                }
                return true
            }
            guard isSound else { return nil }
        }
        let usage = tokens.map { #","usageMetadata":{"promptTokenCount":\#($0),"totalTokenCount":\#($0)}"# } ?? ""
        return ByteBuffer(string: #"{"\#(kind)":[\#(elements.joined(separator: ","))]\#(usage)}"#)
    }

    func read(_ answer: UnsafeRawBufferPointer) -> EmbeddingVectors? {
        let view = JSONView(answer)
        if let list = view.member("predictions") {
            guard let vectors = list.each({ $0.member("embeddings")?.member("values")?.vector }) else { return nil }
            var tokens: Int?
            list.forEachElement { prediction in
                let statistics = prediction.member("embeddings")?.member("statistics")
                if let count = statistics?.count("token_count") { tokens = (tokens ?? 0) + count }
            }
            return EmbeddingVectors(vectors: vectors.map(\.normalized), tokens: tokens)
        }
        let single = view.member("embedding")?.member("values")?.vector.map { [$0] }
        guard let vectors = single ?? view.member("embeddings")?.each({ $0.member("values")?.vector }) else {
            return nil
        }
        return EmbeddingVectors(
            vectors: vectors.map(\.normalized), tokens: view.member("usageMetadata")?.count("promptTokenCount"))
    }

    func failure(status: Int, _ body: UnsafeRawBufferPointer) -> ChatFailure {
        GeminiFailure(provider: "google-vertex-ai").read(status: status, body)
    }
}
