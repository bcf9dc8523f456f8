import CloudflareWire
import GatewayCore
import NIOCore
import Providers

/// Everything that is known of one executed step of a request when it has ended.
///
/// A request without steps of its own is one step.
///
/// A reference: it lives as long as its step and is large, while every phase adds to it.
@WorkerLoop
final class Outcome {
    /// What was called: the request itself, or the step of it.
    private(set) var inbound: Inbound
    /// The request as the client sent it.
    let client: Inbound
    /// The step's own id, which its log entry gets.
    let id: LogID
    /// The request's id; that of its first step.
    let requestID: LogID
    /// What ties the entries of one request together.
    private(set) var eventID: EventID
    /// Zero-based, counted over the steps of the request.
    var step = 0
    var admitted: Admitted? {
        didSet { if let own = admitted?.settings.eventID { eventID = .given(own) } }
    }
    /// The provider call that was planned; nil when the request was refused before.
    var attempt: Attempt?
    /// What went to the provider, when that is not simply the client's body.
    var sent: SentBody?
    private(set) var reply: ResponseHead?
    var status = 0
    /// Whether the answer is a stream of events.
    private(set) var isStream = false
    var ending: ReplyRelay.Ending = .complete
    var error: GatewayError?
    var errorCode: Int?
    /// Whether the answer came out of the shared store.
    private(set) var isCached = false
    var firstByte: Duration?
    var usage = Usage()
    var answeredModel: String?
    var sawTerminal = false
    /// The error that a stream told of after its head had told of success.
    var streamFailure: StreamFailure?
    var responseBytes = 0
    var responseBody: ByteBuffer?
    var isResponseWhole = true

    init(inbound: Inbound, id: LogID) {
        self.inbound = inbound
        client = inbound
        self.id = id
        requestID = id
        eventID = inbound.directives.eventID.map { .given($0) } ?? .request(id)
    }

    /// The outcome of a further step of the same request.
    ///
    /// - Parameter eventID: the request's own, whatever its first step has set for itself.
    init(after first: Outcome, eventID: EventID, id: LogID, step: Int) {
        inbound = first.client
        client = first.client
        self.id = id
        self.step = step
        requestID = first.requestID
        self.eventID = eventID
    }

    /// Takes up the step that is to be executed.
    func begin(_ step: Admitted, _ body: SentBody) {
        inbound = step.inbound
        admitted = step
        sent = body
    }

    /// Notes that the answer comes out of the store, where it has been paid for (data-plane §4.1).
    func takeFromStore() {
        isCached = true
        usage.input = 0
        usage.output = 0
    }

    /// Notes why there is no answer; returns what the client would be told.
    @discardableResult
    func fail(_ error: GatewayError) -> ErrorBody {
        let rendered = ErrorBody(error)
        self.error = error
        status = rendered.status
        errorCode = rendered.code
        return rendered
    }

    /// Whether an entry is made (data-plane §7.1).
    var logs: Bool { admitted?.settings.collectLog ?? false }
    var logsPayload: Bool { logs && admitted?.settings.collectLogPayload ?? true }

    /// The ids that an answer of this step carries; a log id only when there is an entry to name.
    var marks: AnswerHead.Marks {
        AnswerHead.Marks(
            eventID: eventID, requestID: requestID, logID: logs && attempt != nil ? id : nil,
            step: attempt == nil ? nil : step, isCached: isCached
        )
    }

    /// Takes the head of the answer.
    func take(_ head: ResponseHead, _ stream: StreamKind) {
        reply = head
        status = head.status
        isStream = stream.framing != nil
    }

    /// Takes what there is to know of an answer that has been relayed to its end.
    func take(_ relay: ReplyRelay) {
        if let ending = relay.ending { self.ending = ending }
        if case .truncated(let error) = ending, error.kind == .requestTimedOut { errorCode = ErrorBody(error).code }
        responseBytes = relay.payloadBytes
        if let reader = relay.usage {
            sawTerminal = reader.sawTerminal
            streamFailure = reader.failure
            if !isCached {
                usage = reader.usage
                answeredModel = reader.model
            }
        }
        let capture = relay.takeCapture()
        responseBody = capture.bytes
        isResponseWhole = capture.isComplete
    }

    /// Takes what a provider's own answer has told of usage, where the client got another form of it.
    func take(_ usage: UsageReader?) {
        guard let reader = usage else { return }
        reader.finish()
        self.usage = reader.usage
        answeredModel = reader.model
        sawTerminal = reader.sawTerminal
        streamFailure = reader.failure
    }

    /// Takes the answer of a step that failed.
    func take(_ failed: FailedAnswer, _ head: ResponseHead) {
        take(head, StreamKind(of: head))
        responseBytes = failed.received
        responseBody = logsPayload ? failed.bytes : nil
        isResponseWhole = failed.isWhole
    }
}

/// A step's own request body, as its log entry shows it.
struct SentBody: Sendable {
    var bytes: ByteBuffer
    /// The body's `model`, when it has one.
    var model: String?
}
