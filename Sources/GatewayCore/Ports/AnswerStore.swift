package import NIOCore

/// What the gate needs of the store that all workers of all nodes share: kept answers, limits, and leases on answers
/// that are being fetched.
///
/// Every operation is one round trip and calls back exactly once, late answers included: those are `.unavailable`.
@WorkerLoop
package protocol AnswerStore: AnyObject {
    /// Looks an answer up, takes a lease on it, counts the request: all or nothing.
    func ask(_ question: StoreQuestion, _ then: @escaping @WorkerLoop (StoreVerdict) -> Void)

    /// Keeps an answer and ends the lease under which it was fetched, if there is one.
    ///
    /// An answer that the store has no room for is not kept; nobody is told.
    /// - Parameter seconds: the life of the entry.
    func keep(_ answer: KeptAnswer, at place: AnswerPlace, seconds: Int, lease: LeaseToken?)

    /// Ends a lease without an answer: whoever follows it finds out.
    func giveUp(_ lease: LeaseToken, at place: AnswerPlace)

    /// Ends a lease as if its holder had died: whoever follows it asks again.
    func abandon(_ lease: LeaseToken, at place: AnswerPlace)

    /// Prolongs a lease; asks also whether others follow it.
    func renew(_ lease: LeaseToken, at place: AnswerPlace, _ then: @escaping @WorkerLoop (LeaseStanding) -> Void)

    /// Adds to the part of a stream that has come so far, where others can read it.
    func publish(
        _ part: LivePart, lease: LeaseToken, at place: AnswerPlace,
        _ then: @escaping @WorkerLoop (LeaseStanding) -> Void
    )

    /// Looks how the answer fares that another worker fetches.
    /// - Parameter offset: payload bytes that are known already.
    func look(
        at place: AnswerPlace, lease: LeaseToken, from offset: Int, _ then: @escaping @WorkerLoop (LeaseView) -> Void
    )
}

/// Names an answer in the whole store.
package struct AnswerPlace: Sendable, Hashable {
    package var account: AccountID
    package var gateway: GatewayID
    package var key: CacheKey

    package init(account: AccountID, gateway: GatewayID, key: CacheKey) {
        self.account = account
        self.gateway = gateway
        self.key = key
    }
}

/// Names one fetching of an answer; never used twice.
package struct LeaseToken: Sendable, Hashable {
    package var text: String
    package init(_ text: String) { self.text = text }
}

/// What is repeated of an answer besides its payload.
package struct AnswerForm: Sendable, Equatable {
    package enum Delivery: Sendable, Equatable {
        /// One document, sent with its length.
        case whole
        /// An event stream, sent in chunks.
        case stream
    }

    package var status: Int
    package var contentType: String?
    package var contentEncoding: String?
    package var delivery: Delivery

    package init(status: Int, contentType: String?, contentEncoding: String? = nil, delivery: Delivery) {
        self.status = status
        self.contentType = contentType
        self.contentEncoding = contentEncoding
        self.delivery = delivery
    }
}

/// A complete answer as it is kept.
package struct KeptAnswer: Sendable, Equatable {
    package var form: AnswerForm
    package var payload: ByteBuffer

    package init(form: AnswerForm, payload: ByteBuffer) {
        self.form = form
        self.payload = payload
    }
}

/// Everything that one request asks of the store.
package struct StoreQuestion: Sendable {
    /// How a request uses one entry.
    package struct Lookup: Sendable {
        package var key: CacheKey
        package var reading: CacheLookup
        /// The lease to take when there is no entry; nil: none, and nobody is followed either.
        package var lease: LeaseToken?

        package init(key: CacheKey, reading: CacheLookup, lease: LeaseToken?) {
            self.key = key
            self.reading = reading
            self.lease = lease
        }
    }

    package var account: AccountID
    package var gateway: GatewayID
    package var lookup: Lookup?
    package var limits: [RateRule]

    package init(account: AccountID, gateway: GatewayID, lookup: Lookup?, limits: [RateRule]) {
        self.account = account
        self.gateway = gateway
        self.lookup = lookup
        self.limits = limits
    }
}

/// The store's word on a request.
package enum StoreVerdict: Sendable, Equatable {
    /// An entry; no limit was touched.
    case stored(KeptAnswer)
    /// An entry that this version cannot read; no limit was touched.
    case unreadable
    /// Somebody holds this lease on it; no limit was touched.
    case underWay(LeaseToken)
    /// All limits admit, and the request is counted.
    case admitted
    /// The same, and the lease that was asked for is taken.
    case leased
    /// A limit is used up; nothing is counted.
    case limited(retryAfter: Duration)
    case unavailable
}

/// How a lease stands that this worker holds.
package enum LeaseStanding: Sendable, Equatable {
    /// - Parameter published: payload bytes that are published now.
    case held(followers: Followers, published: Int)
    /// It ran out, and somebody else may have it.
    case lost
    case unavailable

    /// Whether others waited for the answer a moment ago.
    package enum Followers: Sendable, Equatable { case none, some }
}

/// A part of a stream on its way to followers elsewhere.
package struct LivePart: Sendable, Equatable {
    package var form: AnswerForm
    /// Where `bytes` begin in the payload.
    package var offset: Int
    package var bytes: ByteBuffer

    package init(form: AnswerForm, offset: Int, bytes: ByteBuffer) {
        self.form = form
        self.offset = offset
        self.bytes = bytes
    }
}

/// How an answer fares that another worker fetches.
package enum LeaseView: Sendable, Equatable {
    /// Nothing to see yet.
    case pending
    /// More payload of a stream; empty when there is nothing new.
    case live(AnswerForm, ByteBuffer)
    case stored(KeptAnswer)
    /// There will be no answer to share.
    case failed
    /// The lease ran out without a word.
    case gone
    case unavailable
}
