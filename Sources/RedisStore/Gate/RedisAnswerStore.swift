package import GatewayCore
import NIOCore

/// Kept answers, limits and leases in Redis, each question one command.
///
/// Redis being away, slow or unwilling is all the same to whoever asks: `.unavailable`.
@WorkerLoop
package final class RedisAnswerStore: AnswerStore {
    /// Times and bounds.
    package struct Options: Sendable {
        /// A lease whose holder is silent for this long is gone.
        package var leaseLife = Duration.seconds(5)
        /// For how long the followers of a lease can learn that it was given up.
        package var failureLife = Duration.seconds(2)
        /// Most bytes of a stream that one look brings.
        package var lookBytes = 256 << 10
        /// Bytes of answers that are on their way into Redis at one time; more are not kept.
        package var keeping = 32 << 20
        package init() {}
    }

    let connection: RedisConnection
    let scripts: GateScripts
    private let observer: any Observer
    private let clock: any WallClock
    private let options: Options
    let leaseLife: String
    private let failureLife: String
    private var recent = RecentOperands()
    private var bytesBeingKept = 0
    private var lastRefusal: ContinuousClock.Instant?

    /// - Parameter scripts: the ones that `connection` loads.
    package init(
        _ connection: RedisConnection, scripts: GateScripts, observer: any Observer, clock: any WallClock,
        options: Options = Options()
    ) {
        self.connection = connection
        self.scripts = scripts
        self.observer = observer
        self.clock = clock
        self.options = options
        leaseLife = String(options.leaseLife.wholeMilliseconds)
        failureLife = String(options.failureLife.wholeMilliseconds)
    }

    // MARK: Asking

    package func ask(_ question: StoreQuestion, _ then: @escaping @WorkerLoop (StoreVerdict) -> Void) {
        guard question.asks else { return then(.admitted) }
        let operands = recent.of(question.account, question.gateway, epoch: question.lookup?.key.epoch ?? 0)
        connection.send(AskCall(self, question, operands, then))
    }

    func verdict(_ reply: RedisReply?) -> StoreVerdict {
        switch reply {
        case .bytes(let entry): return StoredAnswer.answer(entry).map { .stored($0) } ?? .unreadable
        case .integer(0): return .admitted
        case .integer(1): return .leased
        case .integer(let number) where number < 0: return .limited(retryAfter: .milliseconds(-number))
        case .array(let elements):
            if let token = elements.first?.text { return .underWay(LeaseToken(token)) }
            return unusable(reply)
        default: return unusable(reply)
        }
    }

    /// Notes an answer that is none, at most once a second.
    private func unusable<T>(_ reply: RedisReply?, _ result: T) -> T {
        guard let reply else { return result }
        let now = clock.monotonic
        if let lastRefusal, now - lastRefusal < .seconds(1) { return result }
        lastRefusal = now
        var reason = "an answer of an unexpected form"
        if case .error(let message) = reply { reason = message }
        observer.record(.storeRefused(.redis, reason: reason))
        return result
    }

    private func unusable(_ reply: RedisReply?) -> StoreVerdict { unusable(reply, .unavailable) }

    // MARK: Leases

    package func keep(_ answer: KeptAnswer, at place: AnswerPlace, seconds: Int, lease: LeaseToken?) {
        let size = answer.payload.readableBytes
        guard bytesBeingKept + size <= options.keeping else {
            if let lease { giveUp(lease, at: place) }
            return
        }
        bytesBeingKept += size
        let operands = recent.of(place.account, place.gateway, epoch: place.key.epoch)
        connection.send(
            KeepCall(self, answer, at: place, operands, milliseconds: max(seconds, 1) * 1000, lease: lease)
        )
    }

    func kept(_ call: KeepCall, _ reply: RedisReply?) {
        bytesBeingKept -= call.held
        guard case .status = reply else {
            unusable(reply, ())
            if let lease = call.lease { giveUp(lease, at: call.place) }
            return
        }
        // Who follows a stream finds it whole from here on.
        guard call.lease != nil, call.answer.form.delivery == .stream else { return }
        let keys = AnswerKeys(call.place)
        var command = RedisCommand("UNLINK")
        command.append(.live, of: keys)
        command.append(.watch, of: keys)
        connection.send(CommandOperation(command) { _ in })
    }

    package func giveUp(_ lease: LeaseToken, at place: AnswerPlace) { endLease(lease, at: place, as: "failed") }

    package func abandon(_ lease: LeaseToken, at place: AnswerPlace) { endLease(lease, at: place, as: "abandoned") }

    private func endLease(_ lease: LeaseToken, at place: AnswerPlace, as outcome: String) {
        var operands = leaseOperands(lease, place)
        operands.append(outcome)
        operands.append(failureLife)
        call(scripts.giveUp, operands) { reply in
            if case .error = reply { self.unusable(reply, ()) }
        }
    }

    /// Keys and first argument of what is done with a lease.
    private func leaseOperands(_ lease: LeaseToken, _ place: AnswerPlace) -> RedisCommand {
        let keys = AnswerKeys(place)
        var operands = RedisCommand("3")
        operands.append(.entry, of: keys)
        operands.append(.live, of: keys)
        operands.append(.watch, of: keys)
        operands.append(lease.text)
        return operands
    }

    private func call(
        _ script: RedisScript, _ operands: RedisCommand, _ completion: @escaping @WorkerLoop (RedisReply?) -> Void
    ) {
        connection.send(PreparedCall(script, of: self, operands, completion))
    }

    package func renew(
        _ lease: LeaseToken, at place: AnswerPlace, _ then: @escaping @WorkerLoop (LeaseStanding) -> Void
    ) {
        var operands = leaseOperands(lease, place)
        operands.append(leaseLife)
        call(scripts.renew, operands) { reply in then(self.standing(reply)) }
    }

    package func publish(
        _ part: LivePart, lease: LeaseToken, at place: AnswerPlace,
        _ then: @escaping @WorkerLoop (LeaseStanding) -> Void
    ) {
        var operands = leaseOperands(lease, place)
        operands.append(leaseLife)
        operands.append(part.offset)
        operands.append(StoredAnswer.bytes(part.form))
        operands.append(part.bytes)
        call(scripts.publish, operands) { reply in then(self.standing(reply)) }
    }

    private func standing(_ reply: RedisReply?) -> LeaseStanding {
        switch reply {
        case .integer: return .lost
        case .array(let elements):
            if elements.count == 2, case .integer(let followed) = elements[0], case .integer(let length) = elements[1] {
                return .held(followers: followed > 0 ? .some : .none, published: length)
            }
            return unusable(reply, .unavailable)
        default: return unusable(reply, .unavailable)
        }
    }

    package func look(
        at place: AnswerPlace, lease: LeaseToken, from offset: Int,
        _ then: @escaping @WorkerLoop (LeaseView) -> Void
    ) {
        var operands = leaseOperands(lease, place)
        operands.append(offset)
        operands.append(options.lookBytes)
        operands.append(leaseLife)
        call(scripts.look, operands) { reply in then(self.view(reply)) }
    }

    private func view(_ reply: RedisReply?) -> LeaseView {
        switch reply {
        case .integer(0): return .pending
        case .integer(1): return .failed
        case .integer(2): return .gone
        case .bytes(let entry): return StoredAnswer.answer(entry).map { .stored($0) } ?? .gone
        case .array(let elements):
            if elements.count == 2, case .bytes(let head) = elements[0], case .bytes(let more) = elements[1],
                let form = StoredAnswer.form(head)
            {
                return .live(form, more)
            }
            return unusable(reply, .unavailable)
        default: return unusable(reply, .unavailable)
        }
    }
}

extension Duration {
    /// Rounded down.
    fileprivate var wholeMilliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
