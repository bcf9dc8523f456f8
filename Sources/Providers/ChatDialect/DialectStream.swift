import GatewayCore
import NIOCore
import WireFormats

/// Brings the events of an OpenAI-shaped stream into OpenAI's form (providers.md §11.1).
///
/// A stream has ended well with `[DONE]`, or with its connection once it has said why the model stopped or what the
/// answer used (providers.md §3).
struct DialectStream: ChatStreamTranslator {
    private(set) var state = ChatStreamState.open
    private let terms: ChatTerms
    private let answers: DialectAnswers
    private var choices = ChoiceEdits()
    private var sawUsage = false

    init(_ terms: ChatTerms, _ answers: DialectAnswers) {
        self.terms = terms
        self.answers = answers
    }

    mutating func take(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, into out: inout ByteBuffer
    ) {
        guard state == .open else { return }
        if data.isText("[DONE]") { return end(into: &out) }
        let view = JSONView(data)
        guard view.kind == .object else { return Self.write(name, data, into: &out) }
        if let failure = answers.failure(in: view) ?? (name.isText("error") ? answers.failure(status: 502, data) : nil)
        {
            state = .failed(failure)
            return
        }
        let list = view.member("choices")
        if list?.kind == .array, list?.firstElement == nil {
            guard takeChoiceless(view) else { return }
        }
        var edits = JSONEdits(view.bytes)
        DialectAnswers.complete(view, "chat.completion.chunk", terms, in: &edits)
        list?.forEachElement { choices.edit($0, .delta, into: &edits) }
        if let reason = choices.failure {
            state = .failed(answers.failure(reason))
        } else if edits.isEmpty {
            Self.write(name, view.bytes, into: &out)
        } else {
            edits.applied().withUnsafeReadableBytes { Self.write(name, $0, into: &out) }
        }
    }

    /// Takes an event without choices; false when the client shall not see it.
    private mutating func takeChoiceless(_ view: JSONView) -> Bool {
        if view.member("usage")?.kind == .object {
            sawUsage = true
            return terms.usageChunk == .wanted
        }
        // What a filter says of the prompt has no other place.
        return view.member("prompt_filter_results") != nil
    }

    mutating func finish(into out: inout ByteBuffer) {
        if state == .open, choices.hasFinished || sawUsage { end(into: &out) }
    }

    private mutating func end(into out: inout ByteBuffer) {
        out.writeStaticString("data: [DONE]\n\n")
        state = .complete
    }

    private static func write(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, into out: inout ByteBuffer
    ) {
        if !name.isEmpty {
            out.writeStaticString("event: ")
            out.writeBytes(name)
            out.writeStaticString("\n")
        }
        // A payload of several lines was joined by the parser and is split again.
        for line in data.split(separator: 0x0a, omittingEmptySubsequences: false) {
            out.writeStaticString("data: ")
            out.writeBytes(UnsafeRawBufferPointer(rebasing: line))
            out.writeStaticString("\n")
        }
        out.writeStaticString("\n")
    }
}
