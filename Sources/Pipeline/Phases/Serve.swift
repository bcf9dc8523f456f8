import CloudflareWire
import GatewayCore
import NIOCore
import Policy
import Providers
import WireFormats

/// Fourth phase: gets an answer for a planned call, from the shared store or from the provider, with its attempts.
@WorkerLoop
struct Serve {
    /// How a call goes on after the gate.
    enum Opening {
        /// The provider is to be called; its answer is to be reported to the lead, if there is one.
        case call(lead: (any AnswerLead)?)
        /// The answer is here: kept, or on its way to somebody who asked for the same.
        case stored(any UpstreamReply)
    }

    let environment: WorkerEnvironment
    let cancel: CancelHook

    /// Asks the gate.
    ///
    /// - Parameter limits: the limits that this call still has to pass; it has passed none of them when this throws.
    func open(
        _ admitted: Admitted, cache: CacheTerms?, limits: [RateRule]
    ) async throws(GatewayError) -> Opening {
        guard let gate = environment.answerGate else { return .call(lead: nil) }
        let question = GateQuestion(
            account: admitted.gateway.account, gateway: admitted.gateway.id, cache: cache, limits: limits,
            patience: admitted.settings.timeout
        )
        let asked = environment.clock.monotonic
        switch try await gate.open(question, cancel: cancel) {
        case .call(let lead): return .call(lead: lead)
        case .answer(let reply):
            guard let timeout = admitted.settings.timeout else { return .stored(reply) }
            return .stored(try await begun(reply, since: asked, within: timeout))
        case .limited(let retryAfter):
            throw GatewayError(.rateLimited, origin: .gateway, retryAfter: retryAfter)
        }
    }

    /// Who carries out the calls of an attempt.
    func client(for attempt: Attempt) -> any UpstreamClient {
        let client = attempt.route.isSandbox ? environment.sandbox : environment.upstream
        guard let further = attempt.further else { return client }
        return JoinedCalls(client, further, environment)
    }

    /// Calls the provider as often as the request allows and its failures suggest (data-plane §4.4).
    func call(
        _ attempt: Attempt, _ admitted: Admitted, _ fallback: RetrySchedule.Fallback
    ) async throws(GatewayError) -> any UpstreamReply {
        var started = environment.clock.monotonic
        let client = client(for: attempt)
        guard admitted.settings.attempts > 1 else {
            let reply = try await client.send(attempt.request, cancel: cancel)
            guard let timeout = attempt.request.firstByteTimeout else { return reply }
            return try await begun(reply, since: started, within: timeout)
        }
        let settings = admitted.settings
        let schedule = RetrySchedule(
            attempts: settings.attempts, delay: settings.retryDelay, backoff: settings.backoff
        )
        var tries = 0
        while true {
            tries += 1
            var request = attempt.request
            request.firstByteTimeout = schedule.timeout(
                forAttempt: tries, of: settings.timeout, fallback: fallback
            )
            let isLast = !schedule.hasTry(after: tries)
            var asked: Duration?
            do throws(GatewayError) {
                started = environment.clock.monotonic
                var reply = try await client.send(request, cancel: cancel)
                if let timeout = request.firstByteTimeout {
                    reply = try await begun(reply, since: started, within: timeout)
                }
                let head = reply.head
                guard !isLast, RetrySchedule.isRetried(status: head.status), canRepeat(request.body) else {
                    return reply
                }
                asked = retryAfter(head)
                // Now: while it waits, the client may send so much that the start of a body could be dropped.
                request.body.rewind {}
                reply.cancel()
                note("status \(head.status)", attempt)
            } catch {
                guard !isLast, error.retry != .never, !cancel.isCancelled, canRepeat(request.body) else { throw error }
                note(error.detail, attempt)
            }
            await pause(schedule.wait(after: tries, retryAfter: asked, timeout: settings.timeout))
            if cancel.isCancelled {
                throw GatewayError(.providerUnreachable, origin: .client, detail: "cancelled between attempts")
            }
        }
    }

    /// The answer, once it has begun: an event stream with its first event that says something (decisions 26).
    private func begun(
        _ reply: any UpstreamReply, since started: ContinuousClock.Instant, within timeout: Duration
    ) async throws(GatewayError) -> any UpstreamReply {
        guard (200..<300).contains(reply.head.status), let framing = StreamKind(of: reply.head).framing else {
            return reply
        }
        let opening = StreamOpening(reply, framing)
        let left = timeout - (environment.clock.monotonic - started)
        try await opening.wait(atMost: max(left, .zero), environment.timers, cancel)
        return opening
    }

    /// How long the provider asks to wait.
    private func retryAfter(_ head: ResponseHead) -> Duration? {
        let name: StaticString = "retry-after"
        return head.withBytes { bytes in
            guard let field = head.fields.first(where: { name.matches(bytes, $0.name) }) else { return nil }
            return RetryAfter.parse(
                UnsafeRawBufferPointer(rebasing: bytes[field.value]), now: environment.clock.now
            )
        }
    }

    private func canRepeat(_ body: RequestBody) -> Bool { body.canReplay && body.state != .failed }

    private func note(_ reason: String, _ attempt: Attempt) {
        environment.observer.record(
            .upstreamRetried(provider: attempt.route.provider.definition.id, reason: reason)
        )
    }

    /// Waits, but not beyond a cancellation.
    private func pause(_ delay: Duration) async {
        guard delay > .zero else { return }
        await withCheckedContinuation { (waiter: CheckedContinuation<Void, Never>) in
            var pending: CheckedContinuation<Void, Never>? = waiter
            @WorkerLoop func go() {
                pending?.resume()
                pending = nil
            }
            let timer = environment.timers.after(delay) { go() }
            cancel.onCancel {
                timer.cancel()
                go()
            }
        }
        cancel.onCancel(nil)
    }
}
