import NIOCore
import WireFormats

/// Embeddings in OpenAI's form.
struct EmbeddingList {
    private let found: EmbeddingVectors
    private let terms: EmbeddingTerms

    init(_ found: EmbeddingVectors, _ terms: EmbeddingTerms) {
        self.found = found
        self.terms = terms
    }

    var json: ByteBuffer {
        var out = JSONWriter()
        out.beginObject()
        out.key("object")
        out.string("list")
        out.key("data")
        out.beginArray()
        for (index, vector) in found.vectors.enumerated() {
            out.beginObject()
            out.key("object")
            out.string("embedding")
            out.key("index")
            out.int(index)
            out.key("embedding")
            Self.write(vector, terms.encoding, into: &out)
            out.endObject()
        }
        out.endArray()
        out.key("model")
        out.string(terms.model)
        if let tokens = found.tokens {
            out.key("usage")
            out.beginObject()
            out.key("prompt_tokens")
            out.int(tokens)
            out.key("total_tokens")
            out.int(tokens)
            out.endObject()
        }
        out.endObject()
        return out.buffer
    }

    static func write(_ vector: [Float], _ encoding: EmbeddingTerms.Encoding, into out: inout JSONWriter) {
        switch encoding {
        case .base64: out.string(base64(vector))
        case .float:
            out.beginArray()
            for value in vector { out.raw(value.isFinite ? value.description : "0") }
            out.endArray()
        }
    }

    /// Little-endian 32-bit values, as the official SDKs unpack them.
    static func base64(_ vector: [Float]) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(vector.count * 4)
        for value in vector {
            let bits = value.bitPattern
            for shift in [0, 8, 16, 24] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: bits >> shift)) }
        }
        return Base64Text.encode(bytes)
    }
}

extension JSONView {
    /// A list of numbers as a vector; nil when it is anything else.
    var vector: [Float]? {
        guard kind == .array else { return nil }
        var values: [Float] = []
        var isSound = true
        forEachElement { element in
            if element.kind == .number, let value = element.double {
                values.append(Float(value))
            } else {
                isSound = false
            }
        }
        return isSound ? values : nil
    }

    /// A list of lists of numbers; nil when it is anything else.
    var vectors: [[Float]]? { each { $0.vector } }

    /// What every element of a list holds; nil when this is no list or one of them holds nothing.
    func each<T>(_ read: (JSONView) -> T?) -> [T]? {
        guard kind == .array else { return nil }
        var found: [T] = []
        var isSound = true
        forEachElement { element in
            if let value = read(element) { found.append(value) } else { isSound = false }
        }
        return isSound ? found : nil
    }
}

extension [Float] {
    /// The vector of length 1 in the same direction.
    var normalized: [Float] {
        var sum = 0.0
        for value in self { sum += Double(value) * Double(value) }
        guard sum > 0, sum.isFinite else { return self }
        let length = sum.squareRoot()
        return map { Float(Double($0) / length) }
    }
}
