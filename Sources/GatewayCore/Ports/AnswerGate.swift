package import NIOCore

/// Asks the shared store, in one round trip, what it has to say before a provider is called: a stored answer, the
/// rate limits, and whether somebody else is fetching the same answer right now.
@WorkerLoop
package protocol AnswerGate: AnyObject {
    /// Calls back, once and perhaps at once, when it is known how the request goes on.
    ///
    /// - Errors: `.rateLimited` is no error but an opening; `.limitStateUnavailable` when the store is away and the
    ///   policy is to refuse; whatever `cancel` brings when the client leaves while waiting for another's answer.
    func open(
        _ question: GateQuestion, cancel: CancelHook,
        _ then: @escaping @WorkerLoop (Result<GateOpening, GatewayError>) -> Void
    )
}

extension AnswerGate {
    /// Returns when it is known how the request goes on; errors as above.
    package func open(_ question: GateQuestion, cancel: CancelHook) async throws(GatewayError) -> GateOpening {
        let opening = await withUnsafeContinuation { continuation in
            open(question, cancel: cancel) { continuation.resume(returning: $0) }
        }
        return try opening.get()
    }
}

/// What a request wants to know of the shared store.
package struct GateQuestion: Sendable {
    package var account: AccountID
    package var gateway: GatewayID
    /// Nil: no stored answer will do and this one is not kept.
    package var cache: CacheTerms?
    /// Limits that this request has to pass when it is not answered from the store; empty when there are none or
    /// when the request has been counted already.
    package var limits: [RateRule]
    /// How long this request waits for an answer that another one is fetching; nil: as long as it takes.
    package var patience: Duration?

    package init(
        account: AccountID, gateway: GatewayID, cache: CacheTerms? = nil, limits: [RateRule] = [],
        patience: Duration? = nil
    ) {
        self.account = account
        self.gateway = gateway
        self.cache = cache
        self.limits = limits
        self.patience = patience
    }
}

/// How one request uses the cache.
package struct CacheTerms: Sendable, Equatable {
    /// Names the answer inside its gateway; made by `CacheKey`, which takes the credential's identity in.
    package var key: CacheKey
    /// Seconds that a stored answer lives.
    package var timeToLive: Int
    package var lookup: CacheLookup
    /// Whether an event stream is kept as well (data-plane §4.1).
    package var keepsStreams: Bool

    package init(key: CacheKey, timeToLive: Int, lookup: CacheLookup, keepsStreams: Bool) {
        self.key = key
        self.timeToLive = timeToLive
        self.lookup = lookup
        self.keepsStreams = keepsStreams
    }
}

/// Whether a stored answer may be used.
package enum CacheLookup: Sendable, Equatable {
    case read
    /// `cf-aig-skip-cache`: the provider is asked, its answer refreshes the entry.
    case skip
}

/// The name of a stored answer: 32 bytes of SHA-256 under the gateway's cache epoch.
package struct CacheKey: Sendable, Hashable {
    package var digest: ContentDigest
    /// Entries of an older epoch are never found again.
    package var epoch: UInt64

    package init(digest: ContentDigest, epoch: UInt64) {
        self.digest = digest
        self.epoch = epoch
    }
}

/// One limit on how often something may happen; counted over the whole fleet, by the store's clock.
package struct RateRule: Sendable, Equatable {
    /// Names the counter inside its gateway, such as `gateway` or `key/openai/prod`.
    ///
    /// No two rules of one question may share name, interval and technique.
    package var name: String
    /// How many requests an interval admits; at least 1.
    package var limit: Int
    /// Seconds; at least 1.
    package var interval: Int
    package var technique: RateLimitTechnique

    package init(name: String, limit: Int, interval: Int, technique: RateLimitTechnique) {
        self.name = name
        self.limit = limit
        self.interval = interval
        self.technique = technique
    }
}

/// How a request goes on after the gate.
package enum GateOpening: Sendable {
    /// The provider is to be called; with a lead, its answer is to be reported there.
    case call((any AnswerLead)?)
    /// The answer is here, stored or on its way to another request that asked for the same; it counts as a HIT.
    ///
    /// The reply must be relayed or cancelled: what it holds of bounded memory is then given back.
    case answer(any UpstreamReply)
    /// A limit is used up; `retryAfter` is when it may admit again, if that is known.
    case limited(retryAfter: Duration?)
}

/// The obligation of the request that fetches an answer on behalf of the cache and of others.
///
/// `begin`, any number of `append`, one `end`; or `end` alone. Nothing is required after `begin` returned false but
/// `end`, which may then be left out as well. Whoever drops a lead without `end` lets its followers wait for up to a
/// second.
@WorkerLoop
package protocol AnswerLead: AnyObject, Sendable {
    /// The answer's head; false when an answer like this is not kept, which frees whoever waits for it.
    func begin(_ head: ResponseHead) -> Bool
    /// Payload of the answer, without body framing.
    func append(_ payload: UnsafeRawBufferPointer)
    /// All of the payload, in a buffer that may be held; the only `append` then.
    func append(whole payload: ByteBuffer)
    /// Nothing follows.
    func end(_ outcome: LeadOutcome)
    /// Whether others depend on this answer, so that it is worth fetching after its own client has gone.
    var isAwaited: Bool { get }
}

/// How the fetching of a shared answer ended.
package enum LeadOutcome: Sendable, Equatable {
    /// The answer is complete and is what the provider meant: it is stored.
    case complete
    /// The same, and its whole payload was seen to be one JSON document.
    case completeDocument
    /// The answer is complete, but not one to keep: who reads it gets its end, nobody finds it later.
    case unkept
    /// There is no usable answer: whoever waits asks on its own account.
    case failed
    /// Nobody knows what the answer would have been, because its client left: one of those who wait takes over.
    case abandoned
}
