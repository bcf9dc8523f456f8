import GatewayCore

/// How one request has fared at the gate so far.
@WorkerLoop
struct Passage {
    let question: GateQuestion
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

    init(_ question: GateQuestion, shares: Coalescing) {
        self.question = question
        place = question.cache.map {
            AnswerPlace(account: question.account, gateway: question.gateway, key: $0.key)
        }
        reading = question.cache?.lookup ?? .skip
        // Who wants a fresh answer neither waits for another's nor has others wait for it.
        self.shares = question.cache?.lookup == .read ? shares : .off
    }

    mutating func storeQuestion(_ leases: inout LeaseNames) -> StoreQuestion {
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
