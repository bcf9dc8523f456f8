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
            return .stored(try await begun(reply, since: asked, within: timeout, .content) ?? reply)
        case .limited(let retryAfter):
            throw GatewayError(.rateLimited, origin: .gateway, retryAfter: retryAfter)
        }
    }

    /// Who carries out the calls of an attempt.
    func client(for attempt: Attempt, _ gateway: GatewayPlan) -> any UpstreamClient {
        var client = attempt.route.isSandbox ? environment.sandbox : environment.upstream
        if let other = attempt.route.target.otherRequestTarget {
            client = SecondPathClient(client, other, environment)
        }
        if let credential = attempt.derived { client = DerivingClient(client, credential, environment) }
        guard let further = attempt.further else { return client }
        return JoinedCalls(client, further, silence: gateway.silenceLimit, environment)
    }

    /// A provider's answer.
    struct Answer {
        var reply: any UpstreamReply
        /// When its first content has to be there; nil where nobody waits for it only so long.
        var deadline: ContinuousClock.Instant?
    }

    /// Calls the provider as often as the request allows and its failures suggest (data-plane §4.4).
    ///
    /// - Parameter retried: gets each try that failed, when the next one begins.
    func call(
        _ attempt: Attempt, _ admitted: Admitted, _ fallback: RetrySchedule.Fallback,
        retried: @WorkerLoop (FailedTry) -> Void
    ) async throws(GatewayError) -> Answer {
        var started = environment.clock.monotonic
        let client = client(for: attempt, admitted.gateway)
        guard admitted.settings.attempts > 1 else {
            let reply = try await client.send(attempt.request, cancel: cancel)
            limitSilence(of: reply, attempt, admitted.gateway)
            let limit = attempt.request.firstByteTimeout
            guard limit != nil || Self.looksAhead(attempt, fallback) else { return Answer(reply: reply) }
            let opening = try await begun(reply, since: started, within: limit, limit == nil ? .event : .content)
            return Answer(
                reply: opening.map { answer($0, attempt, fallback) } ?? reply, deadline: limit.map { started + $0 }
            )
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
            var head: ResponseHead?
            var firstByte: Duration?
            let status: Int
            var errorCode: Int?
            do throws(GatewayError) {
                started = environment.clock.monotonic
                let reply = try await client.send(request, cancel: cancel)
                head = reply.head
                firstByte = environment.clock.monotonic - started
                limitSilence(of: reply, attempt, admitted.gateway)
                let limit = request.firstByteTimeout
                var opening: StreamOpening?
                if limit != nil || !isLast || Self.looksAhead(attempt, fallback) {
                    opening = try await begun(reply, since: started, within: limit, limit == nil ? .event : .content)
                }
                let answered = reply.head
                status = opening?.failed?.failure.status ?? answered.status
                guard !isLast, RetrySchedule.isRetried(status: status), canRepeat(request.body) else {
                    return Answer(
                        reply: opening.map { answer($0, attempt, fallback) } ?? reply,
                        deadline: limit.map { started + $0 }
                    )
                }
                asked = retryAfter(answered)
                // Now, here and below: while it waits, the client may send so much that what was taken is dropped.
                request.body.rewind {}
                if let opening { opening.cancel() } else { reply.cancel() }
                note("status \(status)", attempt)
            } catch {
                guard !isLast, error.retry != .never, !cancel.isCancelled, canRepeat(request.body) else { throw error }
                request.body.rewind {}
                note(error.detail, attempt)
                let told = ErrorBody(error)
                status = told.status
                errorCode = told.code
            }
            let failed = FailedTry(
                status: status, errorCode: errorCode, head: head, firstByte: firstByte,
                duration: environment.clock.monotonic - started, now: environment.clock.now
            )
            await pause(schedule.wait(after: tries, retryAfter: asked, timeout: settings.timeout))
            if cancel.isCancelled {
                throw GatewayError(.providerUnreachable, origin: .client, detail: "cancelled between attempts")
            }
            retried(failed)
        }
    }

    /// Lets an answer be cut when its provider stalls, if the gateway asks for that: an event stream, or one of which the
    /// client sees nothing before its end.
    func limitSilence(of reply: any UpstreamReply, _ attempt: Attempt, _ gateway: GatewayPlan) {
        guard let limit = gateway.silenceLimit,
            attempt.translation != nil || StreamKind(of: reply.head).framing != nil
        else { return }
        reply.limitSilence(to: limit)
    }

    /// Whether a stream that begins with an error is something else than that stream to whoever gets it: a step that
    /// failed, or an error with a status where the client speaks OpenAI's dialect.
    ///
    /// Translation looks ahead by itself; a native client gets its provider's own bytes.
    static func looksAhead(_ attempt: Attempt, _ fallback: RetrySchedule.Fallback) -> Bool {
        attempt.translation == nil && (fallback == .remains || attempt.reply != .asIs)
    }

    /// The stream, once it has begun; nil for an answer that is none.
    private func begun(
        _ reply: any UpstreamReply, since started: ContinuousClock.Instant, within timeout: Duration?,
        _ beginning: StreamOpening.Beginning
    ) async throws(GatewayError) -> StreamOpening? {
        guard (200..<300).contains(reply.head.status), let framing = StreamKind(of: reply.head).framing else {
            return nil
        }
        let opening = StreamOpening(reply, framing, until: beginning)
        let left = timeout.map { max($0 - (environment.clock.monotonic - started), .zero) }
        try await opening.wait(atMost: left, environment.timers, cancel)
        return opening
    }

    /// What is made of a stream that has begun: the error that it began with, where that is looked for.
    private func answer(
        _ opening: StreamOpening, _ attempt: Attempt, _ fallback: RetrySchedule.Fallback
    ) -> any UpstreamReply {
        guard let (failure, event) = opening.failed, Self.looksAhead(attempt, fallback) else { return opening }
        let json =
            event.withUnsafeReadableBytes { JSONScan.validate($0) }
            ? event : ByteBuffer(string: #"{"error":{"message":\#(JSONPatch.quoted(String(buffer: event)))}}"#)
        guard
            let head = TranslatedHead.make(
                opening.head, status: failure.status, .whole(length: json.readableBytes)
            ), let written = try? WrittenReply(head, json, in: environment.wholeBodies)
        else { return opening }
        opening.cancel()
        return written
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

extension GatewayPlan {
    /// How long a provider may be silent inside an answer; nil: as long as the connection allows.
    var silenceLimit: Duration? { streamIdleTimeoutMilliseconds.map { .milliseconds($0) } }
}
