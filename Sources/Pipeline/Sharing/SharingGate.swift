package import GatewayCore
import NIOCore

/// The gate before a provider call: asks the shared store once, and lets equal requests share one answer in flight.
///
/// A request that finds its answer being fetched by this worker joins without a question to the store; one that learns
/// from the store that another worker fetches it follows from here. Whoever cannot be given the shared answer asks
/// again, so that everybody ends with an answer, a call of its own, or a refusal.
@WorkerLoop
package final class SharingGate: AnswerGate {
    private let around: LeadingFlight.Surroundings
    private let coalescing: Coalescing
    private let whenUnavailable: RedisUnavailablePolicy
    private let clock: any WallClock
    /// Bytes of answers on their way from the store to clients.
    private let delivering: HeldBytes
    private var leases: LeaseNames

    /// How often a request waits for others before it asks on its own account.
    private static let patience = 8

    package init(
        _ store: any AnswerStore, timers: any Timers, clock: any WallClock, coalescing: Coalescing,
        whenUnavailable: RedisUnavailablePolicy, bounds: SharingBounds = SharingBounds()
    ) {
        around = LeadingFlight.Surroundings(store, timers, bounds)
        delivering = HeldBytes(limit: bounds.delivering)
        leases = LeaseNames()
        self.coalescing = coalescing
        self.whenUnavailable = whenUnavailable
        self.clock = clock
    }

    /// Payload bytes that flights and replies of this worker hold now.
    package var heldBytes: Int { around.budget.held + delivering.held }

    /// Whether no answer is being fetched or followed that could be shared.
    package var isIdle: Bool { around.board.isEmpty }

    package func open(_ question: GateQuestion, cancel: CancelHook) async throws(GatewayError) -> GateOpening {
        guard question.cache != nil else {
            guard !question.limits.isEmpty else { return .call(nil) }
            // Nothing to look up and nobody to share with: one question, without a passage to keep track of.
            let limits = StoreQuestion(
                account: question.account, gateway: question.gateway, lookup: nil, limits: question.limits
            )
            let verdict = await withUnsafeContinuation { continuation in
                around.store.ask(limits) { continuation.resume(returning: $0) }
            }
            switch verdict {
            case .limited(let retryAfter): return .limited(retryAfter: retryAfter)
            case .unavailable: return try unavailable(question)
            case .admitted, .leased, .stored, .unreadable, .underWay: return .call(nil)
            }
        }
        var passage = Passage(question, shares: coalescing)
        while true {
            if passage.shares == .on, let place = passage.place, let flight = around.board[place] {
                if let reply = try await join(flight, cancel, &passage) { return .answer(reply) }
                continue
            }
            let asked = passage.storeQuestion(&leases)
            // Not in a function of its own: each asynchronous call costs as much as the question's bytes.
            let verdict = await withUnsafeContinuation { continuation in
                around.store.ask(asked) { continuation.resume(returning: $0) }
            }
            switch verdict {
            case .stored(let answer):
                if let reply = reply(answer) { return .answer(reply) }
                passage.reading = .skip
            case .unreadable: passage.reading = .skip
            case .underWay(let lease):
                guard let place = passage.place else { return .call(nil) }
                let known = around.board[place].flatMap { $0.lease == lease ? $0 : nil }
                let flight = known ?? FollowingFlight.start(place, lease: lease, around, clock: clock)
                if let reply = try await join(flight, cancel, &passage) { return .answer(reply) }
            case .leased:
                guard let lead = passage.lead(around) else { return .call(nil) }
                guard !cancel.isCancelled else {
                    lead.end(.abandoned)
                    throw Self.cancelled
                }
                return .call(lead)
            case .admitted: return .call(passage.lead(around))
            case .limited(let retryAfter): return .limited(retryAfter: retryAfter)
            case .unavailable: return try unavailable(question)
            }
        }
    }

    private func unavailable(_ question: GateQuestion) throws(GatewayError) -> GateOpening {
        guard whenUnavailable == .refuse, !question.limits.isEmpty else { return .call(nil) }
        throw GatewayError(.limitStateUnavailable, origin: .store, detail: "the shared store does not answer")
    }

    private static var cancelled: GatewayError {
        GatewayError(.providerUnreachable, origin: .client, detail: "cancelled")
    }

    /// Waits for a shared answer; nil when the request has to ask again.
    private func join(
        _ flight: Flight, _ cancel: CancelHook, _ passage: inout Passage
    ) async throws(GatewayError) -> SharedReply? {
        passage.waits += 1
        let joining = await wait(for: flight, cancel, passage.question.patience)
        switch joining {
        case .reply(let reply):
            guard cancel.isCancelled else { return reply }
            reply.cancel()
            throw Self.cancelled
        case .cancelled:
            if cancel.isCancelled { throw Self.cancelled }
            throw GatewayError(
                .requestTimedOut, origin: .provider, retry: .always,
                detail: "the answer that another request fetches did not come within the timeout"
            )
        case .released: passage.shares = .off
        case .gone: if passage.waits >= Self.patience { passage.shares = .off }
        }
        passage.isReleased = passage.shares == .off
        return nil
    }

    /// Joins a flight for as long as the request has patience.
    private func wait(for flight: Flight, _ cancel: CancelHook, _ patience: Duration?) async -> Flight.Joining {
        guard let patience else { return await flight.join(cancel) }
        let own = CancelHook()
        let timer = around.timers.after(patience) { own.cancel() }
        cancel.onCancel { own.cancel() }
        let joining = await flight.join(own)
        timer.cancel()
        cancel.onCancel(nil)
        return joining
    }

    /// Nil when there is no memory for the answer now.
    private func reply(_ answer: KeptAnswer) -> SharedReply? {
        let payload = SharedPayload(budget: delivering)
        guard payload.append(answer.payload) else { return nil }
        payload.finish(.complete)
        return SharedReply(answer.form, payload)
    }
}
