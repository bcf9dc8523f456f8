import CloudflareWire
import GatewayCore
import NIOCore
import Policy
import Providers

/// A call that goes to one provider once, in the provider's own format, and takes as long as it takes.
struct PlainCall {
    let admitted: Admitted
    let attempt: Attempt
    let outcome: Outcome

    /// Whether a request is such a call.
    static func fits(_ admitted: Admitted) -> Bool {
        admitted.inbound.address.surface == .native && admitted.settings.attempts == 1
            && admitted.settings.timeout == nil
    }
}

/// The short way: the same phases as of all requests, one after the other, as callbacks of what is waited for.
///
/// Each step is called once, by the one before it. `plain` is there until `end`.
extension Exchange {
    /// - Errors: what the call cannot be planned for; then nothing has been done yet.
    func beginPlain(_ admitted: Admitted, _ outcome: Outcome) throws(GatewayError) {
        let attempt = try Plan(environment: environment).native(admitted, memo: memo, body: intake.body)
        plain = PlainCall(admitted: admitted, attempt: attempt, outcome: outcome)
        let gate = Gate(environment: environment)
        guard attempt.derived?.coversBody == true || gate.wantsWhole(admitted, head.framing) else {
            downstream.askForBody()
            return openGate(body: nil)
        }
        intake.body.waitsForWhole = true
        downstream.askForBody()
        if intake.body.state == .open { intake.wait { self.bodyEnded() } } else { bodyEnded() }
    }

    private func bodyEnded() {
        let body: ByteBuffer
        do throws(GatewayError) {
            body = try intake.whole()
        } catch {
            return refuse(error)
        }
        openGate(body: body)
    }

    /// - Parameter body: nil when nothing has to see it as a whole.
    private func openGate(body: ByteBuffer?) {
        guard let plain else { return }
        let (admitted, attempt) = (plain.admitted, plain.attempt)
        plain.outcome.attempt = attempt
        environment.counter.count(admitted.gateway.id, of: admitted.gateway.account)
        let gate = Gate(environment: environment)
        let terms = gate.terms(attempt, admitted, body: body)
        let limits = gate.limits(attempt, admitted, isAdmitted: false)
        guard terms != nil || !limits.isEmpty, let shared = environment.answerGate else { return call() }
        let question = GateQuestion(
            account: admitted.gateway.account, gateway: admitted.gateway.id, cache: terms, limits: limits
        )
        shared.open(question, cancel: cancel) { self.opened($0) }
    }

    private func opened(_ opening: Result<GateOpening, GatewayError>) {
        switch opening {
        case .success(.call(let lead)):
            self.lead = lead
            call()
        case .success(.answer(let reply)):
            plain?.outcome.takeFromStore()
            relay(reply)
        case .success(.limited(let retryAfter)):
            miss(GatewayError(.rateLimited, origin: .gateway, retryAfter: retryAfter))
        case .failure(let error): miss(error)
        }
    }

    private func call() {
        guard let plain else { return }
        let client = Serve(environment: environment, cancel: cancel).client(for: plain.attempt, plain.admitted.gateway)
        client.send(plain.attempt.request, cancel: cancel) { self.replied($0) }
    }

    private func replied(_ result: Result<any UpstreamReply, GatewayError>) {
        guard let plain else { return }
        switch result {
        case .success(let reply):
            Serve(environment: environment, cancel: cancel).limitSilence(
                of: reply, plain.attempt, plain.admitted.gateway
            )
            relay(reply)
        case .failure(let error): miss(error)
        }
    }

    private func relay(_ reply: any UpstreamReply) {
        guard let plain else { return }
        plain.outcome.firstByte = environment.clock.monotonic - plain.admitted.inbound.started
        guard let relay = beginRelay(reply, nil, plain.attempt, plain.admitted, plain.outcome) else {
            return end(plain.outcome)
        }
        relay.whenEnded { self.relayed() }
    }

    private func relayed() {
        guard let plain, let relay else { return }
        plain.outcome.take(relay)
        end(plain.outcome)
    }

    /// There is no answer.
    private func miss(_ error: GatewayError) {
        endLead(cancel.isCancelled ? .abandoned : .failed)
        refuse(intake.refusal ?? error)
    }

    private func refuse(_ error: GatewayError) {
        guard let plain else { return }
        fail(error, plain.outcome)
        end(plain.outcome)
    }
}
