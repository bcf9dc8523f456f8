import GatewayCore
import NIOCore

/// One answer that is being fetched, by a request of this worker or by another worker, and those who wait for it here.
///
/// - open: nobody knows yet what comes. Next: streaming, complete, over.
/// - streaming: bytes are handed on as they come. Next: complete, over.
/// - complete: everybody has a reply to read from. Final.
/// - over: there is nothing to share; who waited was sent away. Final.
@WorkerLoop
final class Flight {
    enum State: Sendable, Equatable { case open, streaming, complete, over }

    /// What came of waiting.
    enum Joining: Sendable {
        case reply(SharedReply)
        /// There is no answer to share: ask on one's own account.
        case released
        /// Whoever fetched it has vanished: begin again.
        case gone
        case cancelled
    }

    /// How those who wait are sent away.
    enum Farewell: Sendable { case released, gone }

    let place: AnswerPlace
    /// The lease under which the answer is fetched.
    let lease: LeaseToken
    /// Set by the board alone.
    var isOnBoard = false
    /// The next one in the board's list; set by the board alone.
    var next: Flight?
    private(set) var state = State.open
    private(set) var form: AnswerForm?
    private(set) var payload: SharedPayload?
    private var joiners: [Joiner] = []

    init(_ place: AnswerPlace, lease: LeaseToken) {
        self.place = place
        self.lease = lease
    }

    /// Whether somebody here waits for the answer or reads it.
    var hasAudience: Bool { !joiners.isEmpty || payload?.hasReaders == true }

    var admitsJoiners: Bool { state == .open || state == .streaming }

    /// Waits for the answer, or for its beginning when it is a stream.
    func join(_ cancel: CancelHook) async -> Joining {
        if let known { return known }
        let joining: Joining = await withCheckedContinuation { continuation in
            // Others may have run before a task that starts to wait does.
            if let known { return continuation.resume(returning: known) }
            let joiner = Joiner(continuation)
            joiners.append(joiner)
            cancel.onCancel {
                self.joiners.removeAll { $0 === joiner }
                joiner.resume(.cancelled)
            }
        }
        cancel.onCancel(nil)
        return joining
    }

    /// What comes of joining now; nil while the answer has not begun.
    private var known: Joining? {
        switch state {
        case .open: nil
        case .streaming, .complete: reply()
        case .over: .gone
        }
    }

    private func reply() -> Joining {
        guard let form, let payload, let reply = SharedReply(form, payload) else { return .released }
        return .reply(reply)
    }

    /// The head is there.
    func begin(_ form: AnswerForm, _ payload: SharedPayload) {
        guard state == .open else { return }
        self.form = form
        self.payload = payload
        guard form.delivery == .stream else { return }
        state = .streaming
        answerJoiners()
    }

    /// All of the payload is there.
    func complete() {
        guard admitsJoiners, let payload else { return }
        state = .complete
        payload.finish(.complete)
        answerJoiners()
        self.payload = nil
    }

    /// Sends those away who wait; who reads already is left to the payload.
    func end(_ farewell: Farewell) {
        guard admitsJoiners else { return }
        state = .over
        let waiting = joiners
        joiners = []
        for joiner in waiting { joiner.resume(farewell == .gone ? .gone : .released) }
        payload = nil
    }

    private func answerJoiners() {
        let waiting = joiners
        joiners = []
        for joiner in waiting { joiner.resume(reply()) }
    }

    /// One request that waits.
    @WorkerLoop
    private final class Joiner {
        private var continuation: CheckedContinuation<Joining, Never>?

        init(_ continuation: CheckedContinuation<Joining, Never>) { self.continuation = continuation }

        func resume(_ joining: Joining) {
            continuation?.resume(returning: joining)
            continuation = nil
        }
    }
}
