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
    private(set) var text = ""
    /// Unicode scalars of `text`.
    private(set) var textLength = 0
    var refusal: String?
    var reasoning = ""
    /// Blocks that the client may give back, as they were.
    var thinking: [JSONView] = []
    /// JSON text of each.
    var annotations: [String] = []
    var calls: [ChatCall] = []
    /// Nil: the provider did not say.
    var finish: ChatFinish?
    var usage = Usage()
    var serviceTier: String?

    mutating func append(text piece: String) {
        text += piece
        textLength += piece.unicodeScalars.count
    }

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
        out.beginObject()
        out.key("index")
        out.int(0)
        out.key("message")
        writeMessage(terms, into: &out)
        out.key("logprobs")
        out.null()
        out.key("finish_reason")
        if let finish {
            out.string(finish.word(hasCalls: !calls.isEmpty, terms.callStyle).description)
        } else {
            out.null()
        }
        out.endObject()
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

    private func writeMessage(_ terms: ChatTerms, into out: inout JSONWriter) {
        out.beginObject()
        out.key("role")
        out.string("assistant")
        out.key("content")
        if text.isEmpty, !calls.isEmpty || refusal != nil { out.null() } else { out.string(text) }
        out.key("refusal")
        if let refusal { out.string(refusal) } else { out.null() }
        if !reasoning.isEmpty {
            out.key("reasoning_content")
            out.string(reasoning)
        }
        if !thinking.isEmpty {
            out.key("thinking_blocks")
            out.beginArray()
            for block in thinking { out.raw(String(decoding: block.bytes, as: UTF8.self)) }
            out.endArray()
        }
        if !annotations.isEmpty {
            out.key("annotations")
            out.beginArray()
            for annotation in annotations { out.raw(annotation) }
            out.endArray()
        }
        if !calls.isEmpty { writeCalls(terms, into: &out) }
        out.endObject()
    }

    private func writeCalls(_ terms: ChatTerms, into out: inout JSONWriter) {
        func writeFunction(_ call: ChatCall) {
            out.beginObject()
            out.key("name")
            out.string(terms.clientName(call.name))
            out.key("arguments")
            out.string(call.arguments)
            out.endObject()
        }
        switch terms.callStyle {
        case .function:
            out.key("function_call")
            if let call = calls.first { writeFunction(call) }
        case .tools:
            out.key("tool_calls")
            out.beginArray()
            for call in calls {
                out.beginObject()
                out.key("id")
                out.string(call.id)
                out.key("type")
                out.string("function")
                out.key("function")
                writeFunction(call)
                out.endObject()
            }
            out.endArray()
        }
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
        if cached != nil || written != nil {
            out.key("prompt_tokens_details")
            out.beginObject()
            count("cached_tokens", cached)
            count("cache_write_tokens", written)
            out.endObject()
        }
        if let reasoning {
            out.key("completion_tokens_details")
            out.beginObject()
            count("reasoning_tokens", reasoning)
            out.endObject()
        }
        out.endObject()
    }
}
