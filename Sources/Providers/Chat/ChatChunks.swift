import GatewayCore
import NIOCore
import WireFormats

/// Writes the events of one answer of a stream in OpenAI's form (providers.md §6.3).
struct ChatChunks: Sendable {
    private let terms: ChatTerms
    /// The event up to the value of `delta`.
    private let opening: ByteBuffer
    /// The event up to the value of `choices`.
    private let head: ByteBuffer

    /// The events of the first answer, or the only one.
    ///
    /// - Parameter id: the provider's; the client sees it with OpenAI's prefix.
    init(id: String, model: String, _ terms: ChatTerms) {
        var head = ByteBuffer()
        head.writeStaticString(#"data: {"id":"#)
        JSONWriter.appendString(ChatCompletion.id(id, terms), to: &head)
        head.writeString(#","object":"chat.completion.chunk","created":\#(terms.created),"model":"#)
        JSONWriter.appendString(model, to: &head)
        head.writeStaticString(#","choices":["#)
        self.init(head: head, choice: 0, terms)
    }

    private init(head: ByteBuffer, choice: Int, _ terms: ChatTerms) {
        self.terms = terms
        self.head = head
        var opening = head
        opening.writeString(#"{"index":\#(choice),"delta":"#)
        self.opening = opening
    }

    /// The events of another answer of the same stream.
    func of(choice: Int) -> ChatChunks { ChatChunks(head: head, choice: choice, terms) }

    private func close(_ finish: StaticString?, logprobs: String? = nil, into out: inout ByteBuffer) {
        out.writeStaticString(#","logprobs":"#)
        out.writeString(logprobs ?? "null")
        out.writeStaticString(#","finish_reason":"#)
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

    /// A member of the delta that is more than a text.
    ///
    /// - Parameters:
    ///   - json: the member's value as JSON text; nil for a delta without members.
    ///   - logprobs: JSON text of the probabilities of the tokens so far.
    func member(_ name: StaticString, json: String?, logprobs: String? = nil, into out: inout ByteBuffer) {
        out.writeImmutableBuffer(opening)
        out.writeStaticString("{")
        if let json {
            out.writeStaticString("\"")
            out.writeStaticString(name)
            out.writeStaticString("\":")
            out.writeString(json)
        }
        out.writeStaticString("}")
        close(nil, logprobs: logprobs, into: &out)
    }

    func piece(_ member: StaticString, _ text: String, into out: inout ByteBuffer) {
        var quoted = ByteBuffer()
        JSONWriter.appendString(text, to: &quoted)
        quoted.withUnsafeReadableBytes { piece(member, $0, into: &out) }
    }

    /// The beginning of a call; its arguments follow.
    ///
    /// - Parameters:
    ///   - index: of the call among all calls of the answer.
    ///   - signature: for the client to give back with the call.
    func call(_ index: Int, id: String, name: String, signature: String? = nil, into out: inout ByteBuffer) {
        out.writeImmutableBuffer(opening)
        switch terms.callStyle {
        case .tools:
            out.writeString(#"{"tool_calls":[{"index":\#(index),"id":"#)
            JSONWriter.appendString(id, to: &out)
            out.writeStaticString(#","type":"function","function":{"name":"#)
            JSONWriter.appendString(terms.clientName(name), to: &out)
            out.writeStaticString(#","arguments":""}"#)
            if let signature {
                out.writeStaticString(#","extra_content":"#)
                var writer = JSONWriter(out)
                ThoughtSignature.write(signature, into: &writer)
                out = writer.buffer
            }
            out.writeStaticString("}]}")
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

    /// The arguments of a call that came without any.
    func noArguments(_ index: Int, into out: inout ByteBuffer) {
        let empty: StaticString = #""{}""#
        arguments(index, UnsafeRawBufferPointer(start: empty.utf8Start, count: empty.utf8CodeUnitCount), into: &out)
    }

    /// The closing events: why the model stopped, the usage if it was asked for, and `[DONE]`.
    func end(_ finish: ChatFinish, hasCalls: Bool, _ usage: Usage, into out: inout ByteBuffer) {
        self.finish(finish, hasCalls: hasCalls, into: &out)
        close(usage, into: &out)
    }

    /// Why the model stopped: the last event of one answer.
    func finish(_ finish: ChatFinish, hasCalls: Bool, into out: inout ByteBuffer) {
        out.writeImmutableBuffer(opening)
        out.writeStaticString("{}")
        close(finish.word(hasCalls: hasCalls, terms.callStyle), into: &out)
    }

    /// The events behind the last answer: the usage if it was asked for, and `[DONE]`.
    func close(_ usage: Usage, into out: inout ByteBuffer) {
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

extension JSONView {
    /// The text of a string that is not empty, as it was written, with its quotes; nil for anything else.
    var piece: UnsafeRawBufferPointer? { kind == .string && bytes.count > 2 ? bytes : nil }

    /// Unicode scalars of a string.
    var scalarCount: Int {
        if bytes.contains(UInt8(ascii: "\\")) { return string?.unicodeScalars.count ?? 0 }
        return bytes.reduce(-2) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) }
    }
}
