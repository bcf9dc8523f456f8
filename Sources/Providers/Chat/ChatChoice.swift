import GatewayCore
import NIOCore
import WireFormats

/// One answer of a completion: a message and why it ended.
struct ChatChoice {
    private(set) var text = ""
    /// Unicode scalars of `text`.
    private(set) var textLength = 0
    var refusal: String?
    var reasoning = ""
    /// Blocks for the client to give back.
    var thinking: [ThinkingBlock] = []
    /// JSON text of each.
    var annotations: [String] = []
    /// JSON text of each image, as a part `image_url`.
    var images: [String] = []
    /// JSON text of the spoken answer.
    var audio: String?
    var calls: [ChatCall] = []
    /// JSON text of the tokens' probabilities.
    var logprobs: String?
    /// Whether there is no content at all, not even an empty one.
    var isSilent = false
    /// Nil: the provider did not say.
    var finish: ChatFinish?

    mutating func append(text piece: String) {
        text += piece
        textLength += piece.unicodeScalars.count
    }

    /// What is to be remembered of the thinking that led to calls; nil where there is nothing.
    var note: ReasoningNote? {
        guard !thinking.isEmpty, let call = calls.first else { return nil }
        return ReasoningNote(callID: call.id, content: ThinkingBlock.json(thinking))
    }

    func write(at index: Int, _ terms: ChatTerms, into out: inout JSONWriter) {
        out.beginObject()
        out.key("index")
        out.int(index)
        out.key("message")
        writeMessage(terms, into: &out)
        out.key("logprobs")
        if let logprobs { out.raw(logprobs) } else { out.null() }
        out.key("finish_reason")
        if let finish {
            out.string(finish.word(hasCalls: !calls.isEmpty, terms.callStyle).description)
        } else {
            out.null()
        }
        out.endObject()
    }

    private func writeMessage(_ terms: ChatTerms, into out: inout JSONWriter) {
        out.beginObject()
        out.key("role")
        out.string("assistant")
        out.key("content")
        let isEmpty =
            isSilent || !calls.isEmpty || refusal != nil || finish == .contentFilter || !images.isEmpty || audio != nil
        if text.isEmpty, isEmpty { out.null() } else { out.string(text) }
        out.key("refusal")
        if let refusal { out.string(refusal) } else { out.null() }
        if !reasoning.isEmpty {
            out.key("reasoning_content")
            out.string(reasoning)
        }
        if !thinking.isEmpty {
            out.key("thinking_blocks")
            out.beginArray()
            for block in thinking { block.write(into: &out) }
            out.endArray()
        }
        Self.write("annotations", annotations, into: &out)
        Self.write("images", images, into: &out)
        if let audio {
            out.key("audio")
            out.raw(audio)
        }
        if !calls.isEmpty { writeCalls(terms, into: &out) }
        out.endObject()
    }

    private static func write(_ key: StaticString, _ values: [String], into out: inout JSONWriter) {
        guard !values.isEmpty else { return }
        out.key(key)
        out.beginArray()
        for value in values { out.raw(value) }
        out.endArray()
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
                if let signature = call.signature {
                    out.key("extra_content")
                    ThoughtSignature.write(signature, into: &out)
                }
                out.endObject()
            }
            out.endArray()
        }
    }
}
