package import GatewayCore
import NIOCore
import WireFormats

/// An OpenAI request for embeddings, as far as providers with a format of their own can serve it (providers.md §13).
package struct EmbeddingRequest: Sendable, Equatable {
    /// Inputs of one request.
    package static let limit = 2048

    package let texts: [String]
    /// Length of each vector; nil: the model's own.
    package let dimensions: Int?
    package let encoding: EmbeddingTerms.Encoding
    /// What the embeddings are for, in the words of the provider (`input_type`, `task_type`).
    package let purpose: String?

    /// - Errors: `.badChatCompletion` with a message for the client.
    package init(_ body: UnsafeRawBufferPointer) throws(GatewayError) {
        let view = JSONView(body)
        texts = try Self.texts(view.member("input"))
        dimensions = try Self.dimensions(view.member("dimensions"))
        encoding = try Self.encoding(view.member("encoding_format"))
        purpose = (view.member("input_type") ?? view.member("task_type") ?? view.member("taskType"))?.string
    }

    private static func texts(_ input: JSONView?) throws(GatewayError) -> [String] {
        if let text = input?.string {
            guard !text.isEmpty else { throw refusal("`input` must not be empty") }
            return [text]
        }
        guard let input, input.kind == .array else { throw refusal("`input` must be a string or a list of strings") }
        var texts: [String] = []
        var hasTokens = false
        var isSound = true
        input.forEachElement { element in
            guard texts.count <= limit else { return }
            if element.kind == .number || element.kind == .array { hasTokens = true }
            if let text = element.string, !text.isEmpty { texts.append(text) } else { isSound = false }
        }
        if hasTokens { throw refusal("`input` of tokens is not supported by this provider") }
        guard isSound, !texts.isEmpty else { throw refusal("`input` must not be empty, nor hold anything but text") }
        guard texts.count <= limit else { throw refusal("`input` has more than \(limit) texts") }
        return texts
    }

    private static func dimensions(_ view: JSONView?) throws(GatewayError) -> Int? {
        guard let view, !view.isNull else { return nil }
        guard let count = view.int, (1...100_000).contains(count) else {
            throw refusal("`dimensions` must be a positive whole number")
        }
        return count
    }

    private static func encoding(_ view: JSONView?) throws(GatewayError) -> EmbeddingTerms.Encoding {
        guard let view, !view.isNull else { return .float }
        switch view.string {
        case "float": return .float
        case "base64": return .base64
        default: throw refusal("`encoding_format` must be float or base64")
        }
    }

    /// The texts in groups of at most `size`, in order.
    func groups(of size: Int) -> [ArraySlice<String>] {
        stride(from: 0, to: texts.count, by: size).map { texts[$0..<min($0 + size, texts.count)] }
    }

    static func refusal(_ message: String) -> GatewayError { ChatCompletionRequest.refusal(message) }
}
