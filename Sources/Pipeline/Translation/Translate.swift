import CloudflareWire
import GatewayCore
import NIOCore
import Providers
import WireFormats

/// How one call's answer is carried back to OpenAI's form.
struct ChatTranslation: Sendable {
    let translator: any ChatAnswerTranslator
    let terms: ChatTerms
    /// Where the answer's reasoning is noted; nil when nobody needs it.
    let notes: (kind: ReasoningKind, scope: ReasoningScope)?

    init(
        translator: any ChatAnswerTranslator, terms: ChatTerms,
        notes: (kind: ReasoningKind, scope: ReasoningScope)? = nil
    ) {
        self.translator = translator
        self.terms = terms
        self.notes = notes
    }
}

extension Attempt {
    /// The reader for an answer as it is relayed; one that was stored is in the form that a client got, and is read
    /// only to know whether it is complete.
    @WorkerLoop
    func reader(for stream: StreamKind, _ head: ResponseHead, isStored: Bool) -> UsageReader? {
        guard isStored else { return usageReader(for: stream, head) }
        guard stream.framing != nil else { return nil }
        return translation == nil ? usageReader(for: stream, head) : UsageReader(format: .openAI, streamed: stream)
    }
}

/// An answer in OpenAI's form, with what its provider said of usage.
@WorkerLoop
protocol TranslatedReply: UpstreamReply {
    /// What the provider's own bytes have told so far.
    var usage: UsageReader? { get }
}

/// Between Serve and Relay: turns a provider's answer into one in OpenAI's form (data-plane §1.10).
///
/// A whole answer is read to its end before anything is told to the client, and of a stream the first event that says
/// something is waited for, so that what the provider fails at still becomes an honest status.
@WorkerLoop
struct Translate {
    let environment: WorkerEnvironment
    let cancel: CancelHook
    let translation: ChatTranslation

    /// Bytes of the longest whole answer that is translated.
    static let limit = 32 << 20

    /// - Errors: `.unparsableModelOutput` for an answer that is none of its format, `.providerUnreachable` for one that
    ///   breaks off before the client has been told anything, `.requestTimedOut` for a stream that does not begin.
    ///   Answers that need no translation are given back as they are.
    ///
    /// - Parameter deadline: when a stream has to have begun: events may come that mean nothing to anybody.
    func answer(
        _ reply: any UpstreamReply, _ attempt: Attempt, before deadline: ContinuousClock.Instant?
    ) async throws(GatewayError) -> any UpstreamReply {
        let head = reply.head
        let kind = StreamKind(of: head)
        let isSuccess = (200..<300).contains(head.status)
        if translation.translator.foreignAnswers == .relayed, !isSuccess || kind == .other { return reply }
        let usage = attempt.usageReader(for: kind, head)
        guard isSuccess, let framing = kind.framing else { return try await whole(reply, usage, isSuccess: isSuccess) }
        guard let streamHead = TranslatedHead.make(head, status: head.status, .stream) else {
            reply.cancel()
            throw Self.unwritable
        }
        let stream = TranslatedStream(
            reply, framing, streamHead, translation.translator.stream(terms(for: head)), usage
        )
        if let (kind, scope) = translation.notes {
            let store = environment.reasoning
            stream.noted = { store.keep($0, of: kind, in: scope) }
        }
        let limit = deadline.map { max($0 - environment.clock.monotonic, .zero) }
        guard let failure = try await stream.open(cancel, within: limit, environment.timers) else { return stream }
        return try written(failure.json, status: failure.status, head, stream.usage)
    }

    private func whole(
        _ reply: any UpstreamReply, _ usage: UsageReader?, isSuccess: Bool
    ) async throws(GatewayError) -> any TranslatedReply {
        let head = reply.head
        let collected = CollectedAnswer(environment: environment)
        defer { collected.release() }
        try await collected.read(reply, cancel)
        var notes: [ReasoningNote] = []
        let result: Result<ChatAnswer, GatewayError> = collected.bytes.withUnsafeReadableBytes { body in
            usage?.feed(body)
            guard isSuccess else {
                return .success(.failure(translation.translator.failure(status: head.status, body)))
            }
            do throws(GatewayError) {
                return .success(try translation.translator.answer(body, terms(for: head), noting: &notes))
            } catch {
                return .failure(error)
            }
        }
        if let (kind, scope) = translation.notes, !notes.isEmpty {
            environment.reasoning.keep(notes, of: kind, in: scope)
        }
        switch try result.get() {
        case .completion(let json): return try written(json, status: head.status, head, usage)
        case .failure(let failure): return try written(failure.json, status: failure.status, head, usage)
        }
    }

    /// The terms, with what the head tells of the answer.
    private func terms(for head: ResponseHead) -> ChatTerms {
        var terms = translation.terms
        if let name = translation.translator.answerIDHeader, let id = head.value(named: name) { terms.answerID = id }
        return terms
    }

    private func written(
        _ json: ByteBuffer, status: Int, _ head: ResponseHead, _ usage: UsageReader?
    ) throws(GatewayError) -> any TranslatedReply {
        guard let head = TranslatedHead.make(head, status: status, .whole(length: json.readableBytes)) else {
            throw Self.unwritable
        }
        return try WrittenReply(head, json, usage, in: environment.wholeBodies)
    }

    private static var unwritable: GatewayError {
        GatewayError(.unparsableModelOutput, origin: .provider, detail: "the answer's head cannot be written again")
    }
}

/// Makes the head of a translated answer.
enum TranslatedHead {
    enum Form {
        case whole(length: Int)
        case stream
    }

    /// The provider's fields but for those that speak of the bytes it sent.
    static func make(_ head: ResponseHead, status: Int, _ form: Form) -> ResponseHead? {
        var bytes = ByteBuffer()
        bytes.reserveCapacity(head.buffer.readableBytes + 128)
        HeadWriter.statusLine(status, into: &bytes)
        for field in head.fields {
            switch field.kind {
            case .contentType, .contentEncoding, .contentLength, .transferEncoding, .trailer: continue
            default: break
            }
            if describesBytes.contains(head.text(field.name).lowercased()) { continue }
            HeadWriter.copy(field, of: head, into: &bytes)
        }
        switch form {
        case .whole(let length):
            HeadWriter.field("Content-Type", "application/json", into: &bytes)
            HeadWriter.field("Content-Length", number: length, into: &bytes)
        case .stream:
            HeadWriter.field("Content-Type", "text/event-stream", into: &bytes)
            HeadWriter.field("Transfer-Encoding", "chunked", into: &bytes)
        }
        HeadWriter.endOfHead(into: &bytes)
        var parser = ResponseParser()
        do { return try parser.parse(&bytes, toHeadRequest: false) } catch { return nil }
    }

    private static let describesBytes: Set<String> = [
        "accept-ranges", "content-digest", "content-md5", "content-range", "digest", "etag", "last-modified",
        "repr-digest",
    ]
}
