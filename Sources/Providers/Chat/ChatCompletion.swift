import GatewayCore
import NIOCore
import WireFormats

/// Why a model stopped, in OpenAI's words (providers.md §6.2).
enum ChatFinish: Sendable {
    case stop, length, toolCalls, contentFilter

    /// The reason as it is told to a client; calls are the reason wherever there are some and nothing went wrong.
    func word(hasCalls: Bool, _ style: ChatTerms.CallStyle) -> StaticString {
        switch self {
        case .length: "length"
        case .contentFilter: "content_filter"
        case .stop, .toolCalls:
            switch (hasCalls, style) {
            case (false, _): "stop"
            case (true, .tools): "tool_calls"
            case (true, .function): "function_call"
            }
        }
    }
}

/// A whole answer in OpenAI's form, gathered from a provider's.
struct ChatCompletion {
    var id = ""
    var model = ""
    /// At least one.
    var choices = [ChatChoice()]
    var usage = Usage()
    var serviceTier: String?

    func json(_ terms: ChatTerms) -> ByteBuffer {
        var out = JSONWriter()
        out.beginObject()
        out.key("id")
        out.string(Self.id(id, terms))
        out.key("object")
        out.string("chat.completion")
        out.key("created")
        out.int(terms.created)
        out.key("model")
        out.string(model)
        out.key("choices")
        out.beginArray()
        for (index, choice) in choices.enumerated() { choice.write(at: index, terms, into: &out) }
        out.endArray()
        if usage.input != nil || usage.output != nil {
            out.key("usage")
            usage.writeChat(into: &out)
        }
        if let serviceTier {
            out.key("service_tier")
            out.string(serviceTier)
        }
        out.endObject()
        return out.buffer
    }

    /// The provider's own id, under the prefix that clients expect.
    static func id(_ id: String, _ terms: ChatTerms) -> String {
        if id.isEmpty { return "chatcmpl-\(terms.created)" }
        return id.hasPrefix("chatcmpl-") ? id : "chatcmpl-" + id
    }
}

extension Usage {
    /// Writes the counts as OpenAI names them; what is not known is left out.
    func writeChat(into out: inout JSONWriter) {
        func count(_ name: StaticString, _ value: Int?) {
            guard let value else { return }
            out.key(name)
            out.int(value)
        }
        out.beginObject()
        count("prompt_tokens", input)
        count("completion_tokens", output)
        if let input, let output { count("total_tokens", input + output) }
        let written = cacheWrite5m == nil && cacheWrite1h == nil ? nil : (cacheWrite5m ?? 0) + (cacheWrite1h ?? 0)
        if cached != nil || written != nil || inputAudio != nil {
            out.key("prompt_tokens_details")
            out.beginObject()
            count("cached_tokens", cached)
            count("cache_write_tokens", written)
            count("audio_tokens", inputAudio)
            out.endObject()
        }
        if reasoning != nil || outputAudio != nil {
            out.key("completion_tokens_details")
            out.beginObject()
            count("reasoning_tokens", reasoning)
            count("audio_tokens", outputAudio)
            out.endObject()
        }
        out.endObject()
    }
}
