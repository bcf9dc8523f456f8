import GatewayCore

/// How one request has fared at the gate so far.
@WorkerLoop
final class Passage {
    let question: GateQuestion
    /// Ends the request's waiting for others.
    let cancel: CancelHook
    private let then: @WorkerLoop (Result<GateOpening, GatewayError>) -> Void
    /// Nil: this request does not use the cache.
    let place: AnswerPlace?
    var reading: CacheLookup
    /// Whether the request still takes part in sharing.
    var shares: Coalescing
    /// Whether an answer that it waited for was not to be shared; its own will not be either.
    var isReleased = false
    var waits = 0
    /// The lease that was asked for last.
    private var lease: LeaseToken?

    /// - Parameter then: called once, by `end`.
    init(
        _ question: GateQuestion, shares: Coalescing, cancel: CancelHook,
        _ then: @escaping @WorkerLoop (Result<GateOpening, GatewayError>) -> Void
    ) {
        self.question = question
        self.cancel = cancel
        self.then = then
        place = question.cache.map {
            AnswerPlace(account: question.account, gateway: question.gateway, key: $0.key)
        }
        reading = question.cache?.lookup ?? .skip
        // Who wants a fresh answer neither waits for another's nor has others wait for it.
        self.shares = question.cache?.lookup == .read ? shares : .off
    }

    func end(_ opening: GateOpening) { then(.success(opening)) }

    func end(_ error: GatewayError) { then(.failure(error)) }

    func storeQuestion(_ leases: inout LeaseNames) -> StoreQuestion {
        lease = shares == .on ? leases.next() : nil
        return StoreQuestion(
            account: question.account, gateway: question.gateway,
            lookup: question.cache.map { StoreQuestion.Lookup(key: $0.key, reading: reading, lease: lease) },
            limits: question.limits
        )
    }

    /// The obligation that goes with the call; nil when its answer is of no use to others.
    func lead(_ around: LeadingFlight.Surroundings) -> LeadingFlight? {
        guard let terms = question.cache, let place, !isReleased else { return nil }
        return LeadingFlight(place, terms, lease: lease, around)
    }
}
