import GatewayCore
import NIOCore
import WireFormats

/// The answer that a request of this worker fetches: gathered for the cache, shared with whoever waits here, and, when
/// it is a stream, published for other workers.
@WorkerLoop
final class LeadingFlight: AnswerLead {
    /// What a worker's flights have in common.
    @WorkerLoop
    final class Surroundings {
        let store: any AnswerStore
        let timers: any Timers
        let bounds: SharingBounds
        let board = FlightBoard()
        let rota: LeaseRota
        let budget: HeldBytes

        init(_ store: any AnswerStore, _ timers: any Timers, _ bounds: SharingBounds) {
            self.store = store
            self.timers = timers
            self.bounds = bounds
            rota = LeaseRota(timers, every: bounds.renewal)
            budget = HeldBytes(limit: bounds.fetching)
        }
    }

    /// A lease is prolonged in every second round of the rota.
    static let roundsPerRenewal = 2

    private let around: Surroundings
    private let place: AnswerPlace
    private let terms: CacheTerms
    /// Nil: the answer is kept, but nobody shares it on its way.
    private let flight: Flight?
    private var form: AnswerForm?
    private var payload: SharedPayload?
    private var isOver = false
    private var isKeepable = true
    private var holdsLease: Bool
    private var hasRemoteFollowers = false
    /// Set by the rota alone.
    var rotaIndex: Int?
    private var roundsLeft = LeadingFlight.roundsPerRenewal
    private var isRenewing = false
    private var published = 0
    private var isPublishing = false

    /// - Parameter lease: under which the answer is fetched; nil: without.
    init(_ place: AnswerPlace, _ terms: CacheTerms, lease: LeaseToken?, _ around: Surroundings) {
        self.around = around
        self.place = place
        self.terms = terms
        holdsLease = lease != nil
        flight = lease.map { Flight(place, lease: $0) }
        if let flight {
            around.board.add(flight)
            around.rota.add(self)
        }
    }

    var isAwaited: Bool {
        guard !isOver else { return false }
        return flight?.hasAudience == true || payload?.hasReaders == true || hasRemoteFollowers
    }

    func begin(_ head: ResponseHead) -> Bool {
        guard !isOver, payload == nil else { return false }
        guard let form = AnswerForm(keepable: head, terms: terms, bound: around.bounds.entry), hasRoom(for: head) else {
            end(.failed)
            return false
        }
        let payload = SharedPayload(budget: around.budget)
        if case .length(let length) = head.framing { payload.expect(length) }
        self.form = form
        self.payload = payload
        flight?.begin(form, payload)
        publish()
        return true
    }

    private func hasRoom(for head: ResponseHead) -> Bool {
        guard case .length(let length) = head.framing else { return around.budget.held < around.budget.limit }
        return length <= around.budget.limit - around.budget.held
    }

    func append(_ bytes: UnsafeRawBufferPointer) { append(bytes.count) { $0.append(bytes) } }

    func append(whole payload: ByteBuffer) { append(payload.readableBytes) { $0.append(payload) } }

    private func append(_ count: Int, _ add: (SharedPayload) -> Bool) {
        guard !isOver, let payload else { return }
        if isKeepable, payload.length + count > around.bounds.entry { stopKeeping() }
        if !isKeepable, !payload.hasReaders { return drop(.failed, farewell: .released) }
        if add(payload) {
            schedulePublication(around.bounds.gathering)
        } else {
            drop(.failed, farewell: .released)
        }
    }

    func end(_ outcome: LeadOutcome) {
        drop(outcome, farewell: outcome == .abandoned ? .gone : .released)
    }

    /// Nobody new shares the answer; who already reads it goes on.
    private func stopKeeping() {
        isKeepable = false
        around.rota.remove(self)
        guard let flight else { return }
        around.board.remove(flight)
        flight.end(.released)
        if holdsLease { around.store.giveUp(flight.lease, at: place) }
        holdsLease = false
    }

    /// Whether a whole answer is one to keep: one that calls itself JSON has to be it.
    private func isSound(_ payload: SharedPayload, _ form: AnswerForm, _ outcome: LeadOutcome) -> Bool {
        switch outcome {
        case .completeDocument: return true
        case .complete: break
        case .unkept, .failed, .abandoned: return false
        }
        guard form.delivery == .whole, form.contentType?.hasPrefix("application/json") == true,
            form.contentEncoding == nil
        else { return true }
        return payload.whole().withUnsafeReadableBytes { JSONScan.validate($0) }
    }

    private func drop(_ outcome: LeadOutcome, farewell: Flight.Farewell) {
        guard !isOver else { return }
        isOver = true
        around.rota.remove(self)
        if let flight { around.board.remove(flight) }
        let lease = holdsLease ? flight?.lease : nil
        if outcome.isWhole, let payload, let form {
            payload.finish(.complete)
            if isKeepable, isSound(payload, form, outcome) {
                // Before whoever waits here goes on: their next questions are behind it on the way to the store.
                around.store.keep(
                    KeptAnswer(form: form, payload: payload.whole()), at: place, seconds: terms.timeToLive,
                    lease: lease
                )
            } else if let lease {
                around.store.giveUp(lease, at: place)
            }
            flight?.complete()
        } else {
            payload?.finish(.broken)
            if let lease {
                if outcome == .abandoned {
                    around.store.abandon(lease, at: place)
                } else {
                    around.store.giveUp(lease, at: place)
                }
            }
            flight?.end(farewell)
        }
        payload = nil
    }

    // MARK: The lease

    /// Called by the rota, again and again.
    func rotaTurn() {
        guard let flight, holdsLease, !isOver else { return around.rota.remove(self) }
        guard !isRenewing else { return }
        roundsLeft -= 1
        guard roundsLeft == 0 else { return }
        roundsLeft = Self.roundsPerRenewal
        isRenewing = true
        around.store.renew(flight.lease, at: place) { [weak self] standing in
            self?.isRenewing = false
            self?.take(standing)
        }
    }

    /// Called by the rota when nobody else holds the lead: it was dropped without a word.
    func wasDropped() { drop(.failed, farewell: .gone) }

    private func take(_ standing: LeaseStanding) {
        switch standing {
        case .held(let followers, _): hasRemoteFollowers = followers == .some
        case .lost:
            holdsLease = false
            hasRemoteFollowers = false
        case .unavailable: break
        }
    }

    // MARK: Publishing a stream

    private func schedulePublication(_ delay: Duration) {
        guard !isPublishing, form?.delivery == .stream, holdsLease else { return }
        isPublishing = true
        around.timers.after(delay) { [weak self] in
            self?.isPublishing = false
            self?.publish()
        }
    }

    private func publish() {
        guard !isOver, holdsLease, !isPublishing, let flight, let payload, let form, form.delivery == .stream else {
            return
        }
        isPublishing = true
        let part = LivePart(
            form: form, offset: published, bytes: payload.bytes(from: published, most: around.bounds.published)
        )
        around.store.publish(part, lease: flight.lease, at: place) { [weak self] standing in
            guard let self, !self.isOver, let payload = self.payload else { return }
            self.isPublishing = false
            self.take(standing)
            switch standing {
            case .held(_, let length):
                self.published = min(length, payload.length)
                if self.published < payload.length { self.schedulePublication(self.around.bounds.gathering) }
            case .lost: break
            // What became of the part is found out by the next one: the store says where the published bytes end.
            case .unavailable: self.schedulePublication(.milliseconds(250))
            }
        }
    }
}

extension LeadOutcome {
    /// Whether nothing is missing of the answer.
    fileprivate var isWhole: Bool {
        switch self {
        case .complete, .completeDocument, .unkept: true
        case .failed, .abandoned: false
        }
    }
}
