import GatewayCore
import NIOCore
import WireFormats

/// Turns a stream of Gemini's into chunks, event by event; each event is a whole answer object (providers.md §8.5).
///
/// There is no closing event: an answer is complete when the stream ends after every candidate has said why it ended.
struct GeminiStream: ChatStreamTranslator {
    /// One answer of the stream.
    private struct Choice {
        var chunks: ChatChunks
        var calls = 0
        var images = 0
        /// Unicode scalars of the text so far.
        var textLength = 0
        /// Whether the client has been told anything.
        var hasBegun = false
        var finish: ChatFinish?
        /// JSON text of each page.
        var annotations: [String] = []
    }

    /// What of an event is read, found in one pass.
    private struct Event {
        var candidates: JSONView?
        var usage: JSONView?
        var feedback: JSONView?
        var id: JSONView?
        var model: JSONView?
        /// Whether it is an error, or a list, which is one's only other form.
        var hasError: Bool

        init(_ view: JSONView) {
            hasError = view.kind == .array
            var found = self
            view.forEachRawMember { key, value in
                if key.isText("candidates") {
                    value.keep(&found.candidates)
                } else if key.isText("usageMetadata") {
                    value.keep(&found.usage)
                } else if key.isText("responseId") {
                    value.keep(&found.id)
                } else if key.isText("modelVersion") {
                    value.keep(&found.model)
                } else if key.isText("promptFeedback") {
                    value.keep(&found.feedback)
                } else if key.isText("error") {
                    found.hasError = true
                }
            }
            self = found
        }
    }

    private(set) var state = ChatStreamState.open
    private(set) var notes: [ReasoningNote] = []
    private let terms: ChatTerms
    private let failure: GeminiFailure
    private var id = ""
    private var chunks: ChatChunks?
    private var choices: [Int: Choice] = [:]
    private var isBlocked = false
    private var tally = UsageTally()

    init(_ terms: ChatTerms, _ failure: GeminiFailure) {
        self.terms = terms
        self.failure = failure
    }

    mutating func take(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, into out: inout ByteBuffer
    ) {
        guard state == .open else { return }
        let event = Event(JSONView(data))
        if event.hasError, let failure = failure.read(JSONView(data), status: nil) {
            state = .failed(failure)
            return
        }
        if let usage = event.usage { GeminiUsage.read(usage, &tally) }
        if GeminiReply.isBlocked(event.feedback) { isBlocked = true }
        guard let candidates = event.candidates, candidates.kind == .array else { return }
        let base = open(event)
        candidates.forEachElement { candidate in
            let index = candidate.member("index")?.int ?? 0
            guard (0..<GeminiReply.choiceLimit).contains(index) else { return }
            var choice = choices[index] ?? Choice(chunks: index == 0 ? base : base.of(choice: index))
            take(candidate, &choice, into: &out)
            choices[index] = choice
        }
    }

    /// The chunks under the answer's id, once it is known.
    private mutating func open(_ event: Event) -> ChatChunks {
        if let chunks { return chunks }
        id = event.id?.string ?? ""
        let chunks = ChatChunks(id: id, model: event.model?.string ?? terms.model, terms)
        self.chunks = chunks
        return chunks
    }

    private mutating func take(_ candidate: JSONView, _ choice: inout Choice, into out: inout ByteBuffer) {
        candidate.member("content")?.member("parts")?.forEachElement { view in
            if let part = GeminiPart(view) { take(part, &choice, into: &out) }
        }
        if let logprobs = GeminiLogprobs.json(candidate) {
            begin(&choice, into: &out)
            choice.chunks.member("content", json: nil, logprobs: logprobs, into: &out)
        }
        if let grounding = candidate.member("groundingMetadata") {
            let pages = GeminiGrounding.annotations(grounding, text: nil, length: choice.textLength)
            if !pages.isEmpty { choice.annotations = pages }
        }
        choice.finish =
            ChatFinish(gemini: candidate.member("finishReason"), isSilent: !choice.hasBegun) ?? choice.finish
    }

    private func begin(_ choice: inout Choice, into out: inout ByteBuffer) {
        if !choice.hasBegun { choice.chunks.role(into: &out) }
        choice.hasBegun = true
    }

    private mutating func take(_ part: GeminiPart, _ choice: inout Choice, into out: inout ByteBuffer) {
        switch part {
        case .text(let text), .reasoning(let text):
            // An empty text says nothing.
            guard text.bytes.count > 2 else { return }
            begin(&choice, into: &out)
            if case .text = part {
                choice.textLength += text.scalarCount
                choice.chunks.piece("content", text.bytes, into: &out)
            } else {
                choice.chunks.piece("reasoning_content", text.bytes, into: &out)
            }
        case .call(let view, let signature):
            // A client of the deprecated form can be told of one call only.
            if terms.callStyle == .function, choice.calls > 0 { return }
            begin(&choice, into: &out)
            let call = ChatCall(gemini: view, signature: signature)
            note(call)
            choice.chunks.call(choice.calls, id: call.id, name: call.name, signature: call.signature, into: &out)
            var arguments = ByteBuffer()
            JSONWriter.appendString(call.arguments, to: &arguments)
            arguments.withUnsafeReadableBytes { choice.chunks.arguments(choice.calls, $0, into: &out) }
            choice.calls += 1
        case .image(let data):
            begin(&choice, into: &out)
            choice.chunks.member("images", json: "[\(GeminiPart.imageJSON(data, at: choice.images))]", into: &out)
            choice.images += 1
        case .audio(let data):
            begin(&choice, into: &out)
            choice.chunks.member("audio", json: GeminiPart.audioJSON(data, id: id), into: &out)
        case .aside(let text):
            begin(&choice, into: &out)
            choice.textLength += text.unicodeScalars.count
            choice.chunks.piece("content", text, into: &out)
        }
    }

    private mutating func note(_ call: ChatCall) {
        guard let signature = call.signature, notes.count < ReasoningBounds.notesPerAnswer else { return }
        notes.append(ReasoningNote(callID: call.id, content: signature))
    }

    mutating func finish(into out: inout ByteBuffer) {
        guard state == .open else { return }
        if choices.isEmpty, isBlocked {
            let chunks = chunks ?? ChatChunks(id: id, model: terms.model, terms)
            choices[0] = Choice(chunks: chunks, finish: .contentFilter)
        }
        // A stream in which an answer does not say why it ended has not ended.
        guard !choices.isEmpty, choices.values.allSatisfy({ $0.finish != nil }) else { return }
        tally.usage.normalize()
        var last: ChatChunks?
        for index in choices.keys.sorted() {
            guard var choice = choices[index], let finish = choice.finish else { continue }
            begin(&choice, into: &out)
            var citations = CitationTrail()
            for page in choice.annotations { citations.add(page) }
            citations.flush(choice.chunks, into: &out)
            choice.chunks.finish(finish, hasCalls: choice.calls > 0, into: &out)
            last = choice.chunks
        }
        last?.close(tally.usage, into: &out)
        state = .complete
    }
}
