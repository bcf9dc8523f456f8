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

    package func open(
        _ question: GateQuestion, cancel: CancelHook,
        _ then: @escaping @WorkerLoop (Result<GateOpening, GatewayError>) -> Void
    ) {
        guard question.cache != nil || !question.limits.isEmpty else { return then(.success(.call(nil))) }
        goOn(Passage(question, shares: coalescing, cancel: cancel, then))
    }

    /// The next step of a request: to a flight of this worker, or to the store.
    ///
    /// Requests that wait for nobody, which are most of them, stay without a task: it would need more memory
    /// than the question (measured: 4 KiB).
    private func goOn(_ passage: Passage) {
        if passage.shares == .on, let place = passage.place, around.board[place] != nil {
            WorkerLoop.start { await self.follow(nil, passage) }
        } else {
            around.store.ask(passage.storeQuestion(&leases)) { self.take($0, passage) }
        }
    }

    private func take(_ verdict: StoreVerdict, _ passage: Passage) {
        switch verdict {
        case .stored(let answer):
            if let reply = reply(answer) { return passage.end(.answer(reply)) }
            passage.reading = .skip
            goOn(passage)
        case .unreadable:
            passage.reading = .skip
            goOn(passage)
        case .underWay(let lease): WorkerLoop.start { await self.follow(lease, passage) }
        case .leased:
            let lead = passage.lead(around)
            guard let lead, passage.cancel.isCancelled else { return passage.end(.call(lead)) }
            lead.end(.abandoned)
            passage.end(Self.cancelled)
        case .admitted: passage.end(.call(passage.lead(around)))
        case .limited(let retryAfter): passage.end(.limited(retryAfter: retryAfter))
        case .unavailable:
            guard whenUnavailable == .refuse, !passage.question.limits.isEmpty else { return passage.end(.call(nil)) }
            passage.end(
                GatewayError(.limitStateUnavailable, origin: .store, detail: "the shared store does not answer")
            )
        }
    }

    private static var cancelled: GatewayError {
        GatewayError(.providerUnreachable, origin: .client, detail: "cancelled")
    }

    /// Waits for the answer that another request fetches.
    ///
    /// - Parameter lease: of a flight that the store knows of; nil: one of this worker, which may have ended by now.
    private func follow(_ lease: LeaseToken?, _ passage: Passage) async {
        guard let place = passage.place else { return passage.end(.call(nil)) }
        var flight = around.board[place]
        if let lease, flight?.lease != lease {
            flight = FollowingFlight.start(place, lease: lease, around, clock: clock)
        }
        guard let flight else { return goOn(passage) }
        do throws(GatewayError) {
            if let reply = try await join(flight, passage) { passage.end(.answer(reply)) } else { goOn(passage) }
        } catch {
            passage.end(error)
        }
    }

    /// Waits for a shared answer; nil when the request has to ask again.
    private func join(_ flight: Flight, _ passage: Passage) async throws(GatewayError) -> SharedReply? {
        let cancel = passage.cancel
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
