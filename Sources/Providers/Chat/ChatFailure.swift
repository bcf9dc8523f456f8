package import NIOCore
import WireFormats

/// A provider's error as a client of the OpenAI-compatible endpoint gets it (providers.md §12.2).
package struct ChatFailure: Sendable, Equatable {
    /// The provider's own status (decisions 4), or what the kind of an error in a stream stands for.
    package var status: Int
    package var message: String
    var type: String
    var code: String?
    /// The member of the request that is to blame, as the provider names it.
    var parameter: String?
    var provider: String

    init(status: Int, message: String, provider: String) {
        self.status = status
        self.message = message
        self.provider = provider
        (type, code) = Self.kind(status, message)
    }

    /// Keeps what a provider of OpenAI's form has said itself.
    mutating func take(type: String?, code: String?) {
        self.type = type ?? self.type
        self.code = code ?? self.code
    }

    /// The body `{"error":{…}}`.
    package var json: ByteBuffer {
        var out = JSONWriter()
        out.beginObject()
        out.key("error")
        out.beginObject()
        out.key("message")
        out.string(message)
        out.key("type")
        out.string(type)
        out.key("param")
        if let parameter { out.string(parameter) } else { out.null() }
        out.key("code")
        if let code { out.string(code) } else { out.null() }
        out.key("provider")
        out.string(provider)
        out.endObject()
        out.endObject()
        return out.buffer
    }

    /// The event that ends a stream in which the error occurred (providers.md §12.3).
    package var event: ByteBuffer {
        var out = ByteBuffer(string: "data: ")
        out.writeImmutableBuffer(json)
        out.writeStaticString("\n\n")
        return out
    }

    private static func kind(_ status: Int, _ message: String) -> (type: String, code: String?) {
        switch status {
        // 498: a token that is not valid, as Cohere says it.
        case 401, 498: ("authentication_error", "invalid_api_key")
        case 402: ("insufficient_quota", "insufficient_quota")
        case 403: ("permission_error", nil)
        case 404: ("invalid_request_error", "model_not_found")
        case 408, 504: ("timeout_error", "timeout")
        case 424: ("server_error", "model_error")
        case 429: ("rate_limit_error", "rate_limit_exceeded")
        case 503, 529: ("server_error", "overloaded")
        case 400..<500: ("invalid_request_error", isOverflow(message) ? "context_length_exceeded" : nil)
        default: ("server_error", nil)
        }
    }

    private static func isOverflow(_ message: String) -> Bool {
        let phrases = [
            "context_length_exceeded", "prompt is too long", "exceeds the maximum number of tokens",
            "input is too long", "maximum context length",
        ]
        let text = message.lowercased()
        return phrases.contains { text.contains($0) }
    }

    /// The text of a body that is no error object: what a reader sees of it, 500 characters at most.
    static func text(of body: UnsafeRawBufferPointer) -> String {
        var text = ""
        var count = 0
        var isTag = false
        for character in String(decoding: UnsafeRawBufferPointer(rebasing: body.prefix(16_384)), as: UTF8.self) {
            if character == "<" {
                isTag = true
            } else if character == ">", isTag {
                isTag = false
            } else if !isTag, !(character.isWhitespace && (text.last?.isWhitespace ?? true)) {
                text.append(character.isWhitespace ? " " : character)
                count += 1
                if count == 500 { break }
            }
        }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text.isEmpty ? "The provider gave no reason" : text
    }
}
