import GatewayCore
import NIOCore
import WireFormats

/// Writes the events of a streamed answer in OpenAI's form (providers.md §6.3).
struct ChatChunks: Sendable {
    private let terms: ChatTerms
    /// The event up to the value of `delta`.
    private let opening: ByteBuffer
    /// The event up to the value of `choices`.
    private let head: ByteBuffer

    /// - Parameter id: the provider's; the client sees it with OpenAI's prefix.
    init(id: String, model: String, _ terms: ChatTerms) {
        self.terms = terms
        var head = ByteBuffer()
        head.writeStaticString(#"data: {"id":"#)
        JSONWriter.appendString(ChatCompletion.id(id, terms), to: &head)
        head.writeString(#","object":"chat.completion.chunk","created":\#(terms.created),"model":"#)
        JSONWriter.appendString(model, to: &head)
        head.writeStaticString(#","choices":["#)
        self.head = head
        head.writeStaticString(#"{"index":0,"delta":"#)
        opening = head
    }

    private func close(_ finish: StaticString?, into out: inout ByteBuffer) {
        out.writeStaticString(#","logprobs":null,"finish_reason":"#)
        if let finish {
            out.writeStaticString("\"")
            out.writeStaticString(finish)
            out.writeStaticString("\"")
        } else {
            out.writeStaticString("null")
        }
        out.writeStaticString(terms.usageChunk == .wanted ? "}],\"usage\":null}\n\n" : "}]}\n\n")
    }

    /// The first chunk.
    func role(into out: inout ByteBuffer) {
        out.writeImmutableBuffer(opening)
        out.writeStaticString(#"{"role":"assistant","content":""}"#)
        close(nil, into: &out)
    }

    /// A piece of text in a member of the delta.
    ///
    /// - Parameter text: a JSON string with its quotes, as the provider wrote it.
    func piece(_ member: StaticString, _ text: UnsafeRawBufferPointer, into out: inout ByteBuffer) {
        out.writeImmutableBuffer(opening)
        out.writeStaticString("{\"")
        out.writeStaticString(member)
        out.writeStaticString("\":")
        out.writeBytes(text)
        out.writeStaticString("}")
        close(nil, into: &out)
    }

    func piece(_ member: StaticString, _ text: String, into out: inout ByteBuffer) {
        var quoted = ByteBuffer()
        JSONWriter.appendString(text, to: &quoted)
        quoted.withUnsafeReadableBytes { piece(member, $0, into: &out) }
    }

    /// The beginning of a call; its arguments follow.
    ///
    /// - Parameter index: of the call among all calls of the answer.
    func call(_ index: Int, id: String, name: String, into out: inout ByteBuffer) {
        out.writeImmutableBuffer(opening)
        switch terms.callStyle {
        case .tools:
            out.writeString(#"{"tool_calls":[{"index":\#(index),"id":"#)
            JSONWriter.appendString(id, to: &out)
            out.writeStaticString(#","type":"function","function":{"name":"#)
            JSONWriter.appendString(terms.clientName(name), to: &out)
            out.writeStaticString(#","arguments":""}}]}"#)
        case .function:
            out.writeStaticString(#"{"function_call":{"name":"#)
            JSONWriter.appendString(terms.clientName(name), to: &out)
            out.writeStaticString(#","arguments":""}}"#)
        }
        close(nil, into: &out)
    }

    /// A piece of a call's arguments.
    ///
    /// - Parameter text: a JSON string with its quotes.
    func arguments(_ index: Int, _ text: UnsafeRawBufferPointer, into out: inout ByteBuffer) {
        out.writeImmutableBuffer(opening)
        switch terms.callStyle {
        case .tools:
            out.writeString(#"{"tool_calls":[{"index":\#(index),"function":{"arguments":"#)
            out.writeBytes(text)
            out.writeStaticString("}}]}")
        case .function:
            out.writeStaticString(#"{"function_call":{"arguments":"#)
            out.writeBytes(text)
            out.writeStaticString("}}")
        }
        close(nil, into: &out)
    }

    /// The closing events: why the model stopped, the usage if it was asked for, and `[DONE]`.
    func end(_ finish: ChatFinish, hasCalls: Bool, _ usage: Usage, into out: inout ByteBuffer) {
        out.writeImmutableBuffer(opening)
        out.writeStaticString("{}")
        close(finish.word(hasCalls: hasCalls, terms.callStyle), into: &out)
        if terms.usageChunk == .wanted, usage.input != nil || usage.output != nil {
            out.writeImmutableBuffer(head)
            out.writeStaticString(#"],"usage":"#)
            var writer = JSONWriter(out)
            usage.writeChat(into: &writer)
            out = writer.buffer
            out.writeStaticString("}\n\n")
        }
        out.writeStaticString("data: [DONE]\n\n")
    }
}
