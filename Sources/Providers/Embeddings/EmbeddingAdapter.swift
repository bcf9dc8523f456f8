package import GatewayCore
import NIOCore
import WireFormats

/// What differs between OpenAI's embeddings and those of a provider of the same shape (providers.md §13).
package struct EmbeddingAdapter: ChatTranslator {
    /// The provider's name for `dimensions`.
    private let dimensions: StaticString?
    private let provider: String

    init(provider: String, dimensions: StaticString? = nil) {
        self.provider = provider
        self.dimensions = dimensions
    }

    /// Errors have OpenAI's form already.
    package var foreignAnswers: ForeignAnswers { .relayed }

    /// The path is that of the provider's surface, which the caller knows.
    package func request(
        _ body: UnsafeRawBufferPointer, for model: ChatModel
    ) throws(GatewayError) -> TranslatedChat {
        let request = try EmbeddingRequest(body)
        var out = JSONWriter()
        out.beginObject()
        JSONView(body).forEachMember { name, value in
            switch name {
            case "model": return
            case "dimensions": out.key(dimensions ?? "dimensions")
            default: out.key(named: name)
            }
            out.raw(String(decoding: value.bytes, as: UTF8.self))
        }
        out.key("model")
        out.string(model.name)
        out.endObject()
        var terms = ChatTerms()
        terms.embedding = EmbeddingTerms(model: model.name, encoding: request.encoding, count: request.texts.count)
        return TranslatedChat(path: "", body: out.buffer, terms: terms)
    }

    /// The answer as it is, unless it holds numbers where the client wants base64.
    package func answer(_ body: UnsafeRawBufferPointer, _ terms: ChatTerms) throws(GatewayError) -> ChatAnswer {
        let view = JSONView(body)
        guard let data = view.member("data"), data.kind == .array else {
            throw GatewayError(.unparsableModelOutput, origin: .provider, detail: "no list of embeddings")
        }
        guard terms.embedding?.encoding == .base64, data.firstElement?.member("embedding")?.kind == .array else {
            return .completion(ByteBuffer(bytes: body))
        }
        var out = JSONWriter()
        out.beginObject()
        view.forEachMember { name, value in
            out.key(named: name)
            guard name == "data" else { return out.raw(String(decoding: value.bytes, as: UTF8.self)) }
            out.beginArray()
            value.forEachElement { write($0, into: &out) }
            out.endArray()
        }
        out.endObject()
        return .completion(out.buffer)
    }

    private func write(_ element: JSONView, into out: inout JSONWriter) {
        out.beginObject()
        element.forEachMember { name, value in
            out.key(named: name)
            if name == "embedding", let vector = value.vector {
                out.string(EmbeddingList.base64(vector))
            } else {
                out.raw(String(decoding: value.bytes, as: UTF8.self))
            }
        }
        out.endObject()
    }

    package func failure(status: Int, _ body: UnsafeRawBufferPointer) -> ChatFailure {
        ChatFailure(status: status, message: ChatFailure.text(of: body), provider: provider)
    }

    package func stream(_ terms: ChatTerms) -> any ChatStreamTranslator { ForeignStream() }
}

/// Embeddings are not streamed: what comes as a stream is no answer.
struct ForeignStream: ChatStreamTranslator {
    var state: ChatStreamState { .open }
    mutating func take(_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, into out: inout ByteBuffer) {}
}
