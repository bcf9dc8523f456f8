import CloudflareWire
import GatewayCore
import NIOCore
import Policy
import Providers

/// The long way, in a task of its own: universal requests, the compat endpoint, retries, timeouts, and gateways that
/// may have to be made.
extension Exchange {
    /// Everything from the gateway on.
    ///
    /// - Parameter known: nil: the gateway is missing, and may have to be made.
    func run(_ inbound: Inbound, _ known: Admitted?, in index: SnapshotIndex, _ first: Outcome) async {
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
            settle(outcome, isFinal: false)
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
                if attempt.derived?.coversBody == true
                    || Gate(environment: environment).wantsWhole(admitted, head.framing)
                {
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
        let served: Serve.Answer
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
            served = try await serve.call(attempt, admitted, fallback) { settle($0, of: outcome) }
            outcome.firstByte = environment.clock.monotonic - admitted.inbound.started
        } catch {
            endLead(cancel.isCancelled ? .abandoned : .failed)
            throw intake.refusal ?? error
        }
        let answer = try await translated(served, attempt)
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

    /// The answer in the form that the client asked for.
    private func translated(
        _ served: Serve.Answer, _ attempt: Attempt
    ) async throws(GatewayError) -> any UpstreamReply {
        var reply = served.reply
        if let scope = attempt.echo { reply = NotingReply.noting(reply, environment.reasoning, in: scope) }
        guard let translation = attempt.translation else { return reply }
        do throws(GatewayError) {
            return try await Translate(environment: environment, cancel: cancel, translation: translation)
                .answer(reply, attempt, before: served.deadline)
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
}
