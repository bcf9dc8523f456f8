import CloudflareWire
package import GatewayCore
package import NIOCore
import Policy
import Providers

/// One request from its complete head to its settled record.
///
/// Accept → Admit → Plan → Serve → Relay → Settle, once, in this order; each phase's result is the next one's input.
@WorkerLoop
package final class Exchange {
    let environment: WorkerEnvironment
    let memo: ConnectionMemo
    let head: RequestHead
    let downstream: any Downstream
    let cancel = CancelHook()
    var intake: RequestIntake
    var relay: ReplyRelay?
    /// The obligation towards others who want the same answer, as long as it is not there.
    var lead: (any AnswerLead)?
    /// The call, while it is on the short way.
    var plain: PlainCall?
    private var hasStarted = false
    private(set) var isClientGone = false
    private var hasAnswered = false

    package init(environment: WorkerEnvironment, memo: ConnectionMemo, head: RequestHead, downstream: any Downstream) {
        self.environment = environment
        self.memo = memo
        self.head = head
        self.downstream = downstream
        intake = RequestIntake(head, environment: environment)
    }

    /// Begins to work on the request, the first time that it is called; the connection goes on feeding the body.
    ///
    /// Most requests take the short way (`beginPlain`), without a task: with its frames it would be half of the memory
    /// that they need and an eighth of their instructions (measured: 7 KiB and 8000).
    package func start() {
        guard !hasStarted else { return }
        hasStarted = true
        let index = environment.snapshots.current
        let known = index.flatMap { memo.memory(of: head, in: $0) }
        let inbound = Accept.accept(
            head, known: known?.reading, within: environment.limits.settings, clock: environment.clock
        )
        let outcome = Outcome(inbound: inbound, id: newID(at: inbound.receivedAt))
        do throws(GatewayError) {
            try inbound.check(environment.limits)
            guard let index else {
                throw GatewayError(.notReady, origin: .gateway, detail: "no snapshot has been loaded")
            }
            let admit = Admit(environment: environment, memo: memo)
            let admitted =
                if let known { try admit.admit(again: inbound, known, in: index) } else {
                    try admit.admit(inbound, in: index)
                }
            outcome.admitted = admitted
            if let admitted, PlainCall.fits(admitted) {
                try beginPlain(admitted, outcome)
            } else {
                WorkerLoop.start { await self.run(inbound, admitted, in: index, outcome) }
            }
        } catch {
            fail(error, outcome)
            end(outcome)
        }
    }

    // MARK: The client's side

    /// Asks the connection to pause (`false`) or resume reading the body.
    package func onDemandChange(_ action: @escaping @WorkerLoop (_ wanted: Bool) -> Void) {
        intake.body.onDemandChange(action)
    }

    package func receive(_ payload: ByteBuffer) {
        if intake.admit(payload, of: head.framing, environment) { return intake.body.append(payload) }
        guard intake.refusal != nil, intake.body.state == .open else { return }
        // First, so that what the missing body leads to counts as that.
        if relay == nil { cancel.cancel() }
        failBody()
    }

    package func finishBody() {
        intake.body.finish()
        intake.takeWaiter()?()
    }

    /// The client broke its body off or its framing; the connection is going to close.
    package func failBody() {
        intake.body.fail()
        intake.takeWaiter()?()
    }

    package func clientGone() {
        guard !isClientGone else { return }
        isClientGone = true
        // Others may wait for this very answer: then it is fetched for them.
        if relay == nil, lead?.isAwaited != true { cancel.cancel() }
        failBody()
        if let relay { return relay.clientGone() }
        guard !cancel.isCancelled else { return }
        environment.timers.after(Self.audienceCheck) { [weak self] in self?.cancelIfNobodyWaits() }
    }

    /// How often a call that goes on without its own client looks whether others still wait for it.
    static let audienceCheck = Duration.seconds(1)

    private func cancelIfNobodyWaits() {
        guard relay == nil, !cancel.isCancelled else { return }
        guard lead?.isAwaited == true else { return cancel.cancel() }
        environment.timers.after(Self.audienceCheck) { [weak self] in self?.cancelIfNobodyWaits() }
    }

    // MARK: What both ways share

    func newID(at time: Instant) -> LogID {
        LogID(milliseconds: UInt64(clamping: time.milliseconds), random: &environment.random)
    }

    /// The last thing that is done for the request.
    func end(_ outcome: Outcome) {
        plain = nil
        settle(outcome, isFinal: true)
        intake.body.detach()
    }

    /// Settles a step of the request with what is known of its body.
    ///
    /// - Parameter isFinal: whether the request ends with this step.
    func settle(_ outcome: Outcome, isFinal: Bool) {
        if isFinal { intake.release(environment) }
        let settle = Settle(environment: environment)
        if let sent = outcome.sent {
            if isFinal { _ = intake.takeCapture() }
            let size = sent.bytes.readableBytes
            let room = max(environment.limits.loggedPayload - (outcome.responseBody?.readableBytes ?? 0), 0)
            let kept = sent.bytes.getSlice(at: sent.bytes.readerIndex, length: min(size, room))
            settle.settle(
                outcome, isFinal: isFinal, requestedModel: sent.model, requestBytes: size,
                requestBody: outcome.logsPayload ? kept : nil, isRequestWhole: size <= room
            )
        } else {
            let isWhole = intake.isCaptureWhole
            let captured = intake.takeCapture()
            settle.settle(
                outcome, isFinal: isFinal, requestedModel: intake.model, requestBytes: intake.body.received,
                requestBody: captured, isRequestWhole: isWhole
            )
        }
    }

    /// Settles a try of a step that goes on with another one.
    func settle(_ failed: FailedTry, of outcome: Outcome) {
        guard outcome.logs else { return }
        let settle = Settle(environment: environment)
        // A clock that was set back must not bring the try before its request.
        let began = max(failed.began, outcome.inbound.receivedAt)
        if let sent = outcome.sent {
            settle.settle(
                failed, of: outcome, as: newID(at: began), at: began, requestedModel: sent.model,
                requestBytes: sent.bytes.readableBytes
            )
        } else {
            settle.settle(
                failed, of: outcome, as: newID(at: began), at: began, requestedModel: intake.model,
                requestBytes: intake.body.received
            )
        }
    }

    /// Tells those who wait for the same answer that it does not come from here.
    func endLead(_ end: LeadOutcome) {
        lead?.end(end)
        lead = nil
    }

    /// Starts to pass an answer on; nil when nobody is there to get it.
    ///
    /// - Parameter translated: the reply, if it is made of another one.
    func beginRelay(
        _ reply: any UpstreamReply, _ translated: (any TranslatedReply)?, _ attempt: Attempt, _ admitted: Admitted,
        _ outcome: Outcome
    ) -> ReplyRelay? {
        let head = reply.head
        let stream = StreamKind(of: head)
        outcome.take(head, stream)
        let lead = lead
        self.lead = nil
        guard !isClientGone || lead?.isAwaited == true else {
            lead?.end(.abandoned)
            reply.cancel()
            outcome.ending = .clientGone
            return nil
        }
        // Only an event stream can carry the chunk that was asked for; an error in JSON goes through as it is.
        // What was stored is what a client got.
        let shape: ReplyShape =
            outcome.isCached ? .asIs : attempt.reply == .withoutUsageChunk && stream != .sse ? .compat : attempt.reply
        let delivery = AnswerHead.delivery(of: head, to: downstream.version, shape: shape)
        let note = delivery == .plain ? .close : downstream.connectionNote
        let answer = AnswerHead.relayed(
            head, delivery: delivery, isHeadMethod: admitted.inbound.isHeadMethod,
            note: note, marks: outcome.marks
        )
        let relay = ReplyRelay(
            reply: reply, downstream: downstream, delivery: delivery, shape: shape,
            truncation: shape != .asIs && stream == .sse && translated == nil ? .errorEvent : .silent,
            usage: translated == nil ? attempt.reader(for: stream, head, isStored: outcome.isCached) : nil,
            capture: PayloadCapture(wanted: outcome.logsPayload, environment: environment), allowance: intake.allowance,
            lead: lead.flatMap { Gate.begin($0, head, stream) }, needsTerminal: stream.framing != nil,
            timers: environment.timers
        )
        self.relay = relay
        hasAnswered = true
        if isClientGone { relay.clientGone() } else { downstream.begin(answer, note) }
        relay.start()
        return relay
    }

    /// Answers out of the gateway's own knowledge.
    func answerAlone(_ json: ByteBuffer, _ outcome: Outcome) {
        outcome.status = 200
        say(json, status: 200, outcome, marks: outcome.marks)
    }

    func fail(_ error: GatewayError, _ outcome: Outcome) {
        let rendered = outcome.fail(error)
        if isClientGone { return outcome.ending = .clientGone }
        guard !hasAnswered else { return downstream.abort() }
        let json = rendered.json
        if outcome.logsPayload { outcome.responseBody = json }
        say(
            json, status: rendered.status, outcome, marks: outcome.admitted == nil ? nil : outcome.marks,
            retryAfter: error.retryAfter
        )
    }

    /// Sends an answer of the gateway's own.
    private func say(
        _ json: ByteBuffer, status: Int, _ outcome: Outcome, marks: AnswerHead.Marks?, retryAfter: Duration? = nil
    ) {
        outcome.responseBytes = json.readableBytes
        hasAnswered = true
        guard !isClientGone else { return }
        let note = downstream.connectionNote
        downstream.begin(
            AnswerHead.own(
                status: status, contentType: ErrorBody.contentType, length: json.readableBytes, note: note,
                marks: marks, retryAfter: retryAfter
            ), note
        )
        downstream.send(outcome.inbound.isHeadMethod ? ByteBuffer() : json, isLast: true)
    }
}
