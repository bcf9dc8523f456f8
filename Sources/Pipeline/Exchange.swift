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
    private var isClientGone = false
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
        let inbound = Accept.accept(head, known: known?.reading, clock: environment.clock)
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

    // MARK: The line

    /// The long way, of everything that is no plain call.
    ///
    /// - Parameter known: nil: the gateway is missing, and may have to be made.
    private func run(_ inbound: Inbound, _ known: Admitted?, in index: SnapshotIndex, _ first: Outcome) async {
        var outcome = first
        do throws(GatewayError) {
            let admitted: Admitted
            if let known {
                admitted = known
            } else {
                let admit = Admit(environment: environment, memo: memo)
                admitted = try await admit.admitToMissing(inbound, in: index)
                outcome.admitted = admitted
            }
            if inbound.address.surface == .universal {
                try await serveSteps(admitted, &outcome)
            } else {
                var progress = Progress()
                _ = try await serve(admitted, .client, outcome, fallback: .none, &progress)
            }
        } catch {
            fail(error, outcome)
        }
        end(outcome)
    }

    /// The last thing that is done for the request.
    func end(_ outcome: Outcome) {
        plain = nil
        intake.settle(outcome, environment, isFinal: true)
        intake.body.detach()
    }

    private func newID(at time: Instant) -> LogID {
        LogID(milliseconds: UInt64(clamping: time.milliseconds), random: &environment.random)
    }

    /// What a request has behind it, in whichever of its steps.
    private struct Progress {
        /// The gateway's requests were counted with this one.
        var isCounted = false
        /// The gateway's own limit has admitted it (data-plane §4.2).
        var isAdmitted = false
    }

    /// Where the request body of a call comes from.
    private enum Payload {
        /// The client's own body, as it arrives.
        case client
        /// The `query` of a universal step.
        case given(ByteBuffer)
    }

    /// The steps of the universal endpoint, one after the other until one is served (data-plane §1.3).
    private func serveSteps(_ admitted: Admitted, _ outcome: inout Outcome) async throws(GatewayError) {
        let universal = Universal(environment: environment, memo: memo)
        let steps = try universal.steps(admitted, body: try await wholeBody())
        let first = outcome
        let eventID = outcome.eventID
        var progress = Progress()
        for (number, step) in steps.enumerated() {
            let current = universal.admit(step, admitted)
            if number > 0 {
                outcome = Outcome(
                    after: first, eventID: eventID, id: newID(at: current.inbound.receivedAt), step: number
                )
            }
            outcome.begin(current, SentBody(bytes: step.body, model: RequestIntake.model(of: step.body)))
            let fallback: RetrySchedule.Fallback = number < steps.count - 1 ? .remains : .none
            do throws(GatewayError) {
                if try await serve(current, .given(step.body), outcome, fallback: fallback, &progress) { return }
            } catch {
                guard fallback == .remains, error.allowsFallback, !isClientGone else { throw error }
                outcome.fail(error)
            }
            if isClientGone {
                outcome.ending = .clientGone
                return
            }
            intake.settle(outcome, environment, isFinal: false)
        }
    }

    /// Gets an answer for one call and relays it; false when the provider refused and another step is to be tried.
    private func serve(
        _ admitted: Admitted, _ payload: Payload, _ outcome: Outcome, fallback: RetrySchedule.Fallback,
        _ progress: inout Progress
    ) async throws(GatewayError) -> Bool {
        var attempt: Attempt
        var whole: ByteBuffer?
        let plan = Plan(environment: environment)
        let isCompat = admitted.inbound.address.surface == .compat
        if isCompat {
            let endpoint = try CompatEndpoint(admitted.inbound)
            if endpoint == .models {
                answerAlone(environment.models.json(at: admitted.inbound.receivedAt), outcome)
                return true
            }
            (attempt, whole) = try await compat(endpoint, plan, admitted, payload)
        } else {
            switch payload {
            case .given(let bytes):
                attempt = try plan.native(admitted, memo: memo, body: RequestBody(complete: bytes))
                whole = bytes
            case .client:
                attempt = try plan.native(admitted, memo: memo, body: intake.body)
                if attempt.derived?.coversBody == true || Gate.wantsWhole(admitted, head.framing) {
                    whole = try await wholeBody()
                } else {
                    downstream.askForBody()
                }
            }
        }
        outcome.attempt = attempt
        if !progress.isCounted {
            progress.isCounted = true
            environment.counter.count(admitted.gateway.id, of: admitted.gateway.account)
        }
        let reply: any UpstreamReply
        do throws(GatewayError) {
            let gate = Gate(environment: environment)
            let serve = Serve(environment: environment, cancel: cancel)
            let terms = gate.terms(attempt, admitted, body: whole)
            whole = nil
            if isCompat { try holdWritten(attempt, payload) }
            let limits = gate.limits(attempt, admitted, isAdmitted: progress.isAdmitted)
            if terms != nil || !limits.isEmpty {
                switch try await serve.open(admitted, cache: terms, limits: limits) {
                case .call(let given): lead = given
                case .stored(let stored):
                    outcome.firstByte = environment.clock.monotonic - admitted.inbound.started
                    outcome.takeFromStore()
                    await relay(stored, attempt, admitted, outcome)
                    return true
                }
            }
            progress.isAdmitted = true
            if let awaited = attempt.awaited {
                attempt = try await Supply(environment: environment, cancel: cancel).completed(awaited, admitted)
                outcome.attempt = attempt
                try holdWritten(attempt, payload)
            }
            if admitted.settings.attempts == 1, admitted.settings.timeout == nil,
                !Serve.looksAhead(attempt, fallback)
            {
                // One try, no hurry: most calls, on the shortest way.
                reply = try await serve.client(for: attempt, admitted.gateway).send(attempt.request, cancel: cancel)
                serve.limitSilence(of: reply, attempt, admitted.gateway)
            } else {
                reply = try await serve.call(attempt, admitted, fallback)
            }
            outcome.firstByte = environment.clock.monotonic - admitted.inbound.started
        } catch {
            endLead(cancel.isCancelled ? .abandoned : .failed)
            throw intake.refusal ?? error
        }
        let answer = try await translated(reply, attempt)
        if fallback == .remains, !(200..<300).contains(answer.head.status) {
            endLead(.failed)
            let failed = FailedAnswer()
            await failed.read(answer, timers: environment.timers)
            outcome.take(failed, answer.head)
            return false
        }
        await relay(answer, attempt, admitted, outcome)
        return true
    }

    /// A call through the OpenAI-compatible endpoint, with the body that it was made of.
    private func compat(
        _ endpoint: CompatEndpoint, _ plan: Plan, _ admitted: Admitted, _ payload: Payload
    ) async throws(GatewayError) -> (Attempt, ByteBuffer) {
        let given = try await whole(payload)
        let reading = try plan.reading(endpoint, admitted, body: given)
        guard reading.mayNeedSupplements else { return (try plan.compat(admitted, reading, ChatSupplements()), given) }
        return (try await Supply(environment: environment, cancel: cancel).attempt(plan, admitted, reading), given)
    }

    /// Counts the body that was written for the provider, and lets go of the client's when nobody reads it any more.
    private func holdWritten(_ attempt: Attempt, _ payload: Payload) throws(GatewayError) {
        try intake.hold(written: attempt.bodyBytes, environment)
        if case .client = payload, attempt.awaited == nil { intake.dropBody(environment) }
    }

    /// Tells those who wait for the same answer that it does not come from here.
    func endLead(_ end: LeadOutcome) {
        lead?.end(end)
        lead = nil
    }

    /// The answer in the form that the client asked for.
    private func translated(
        _ reply: any UpstreamReply, _ attempt: Attempt
    ) async throws(GatewayError) -> any UpstreamReply {
        var reply = reply
        if let scope = attempt.echo { reply = NotingReply.noting(reply, environment.reasoning, in: scope) }
        guard let translation = attempt.translation else { return reply }
        do throws(GatewayError) {
            return try await Translate(environment: environment, cancel: cancel, translation: translation)
                .answer(reply, attempt)
        } catch {
            endLead(cancel.isCancelled ? .abandoned : .failed)
            throw error
        }
    }

    private func whole(_ payload: Payload) async throws(GatewayError) -> ByteBuffer {
        switch payload {
        case .given(let bytes): bytes
        case .client: try await wholeBody()
        }
    }

    /// The complete request body, read within the limits.
    private func wholeBody() async throws(GatewayError) -> ByteBuffer {
        intake.body.waitsForWhole = true
        downstream.askForBody()
        if intake.body.state == .open {
            await withCheckedContinuation { continuation in
                // Others may have run before a task that starts to wait does.
                if intake.body.state == .open { intake.wait { continuation.resume() } } else { continuation.resume() }
            }
        }
        return try intake.whole()
    }

    private func relay(
        _ reply: any UpstreamReply, _ attempt: Attempt, _ admitted: Admitted, _ outcome: Outcome
    ) async {
        let translated = attempt.translation == nil ? nil : reply as? any TranslatedReply
        guard let relay = beginRelay(reply, translated, attempt, admitted, outcome) else { return }
        await withCheckedContinuation { continuation in relay.whenEnded { continuation.resume() } }
        outcome.take(relay)
        if let translated { outcome.take(translated.usage) }
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
    private func answerAlone(_ json: ByteBuffer, _ outcome: Outcome) {
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
