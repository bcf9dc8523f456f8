import GatewayCore
import NIOCore

/// The answer that another worker fetches, looked after by one poller on behalf of all who wait for it here.
///
/// It keeps itself alive until the answer is complete, cannot come any more, or nobody here wants it.
@WorkerLoop
final class FollowingFlight {
    private let flight: Flight
    private let around: LeadingFlight.Surroundings
    private let clock: any WallClock
    private var payload: SharedPayload?
    private var pause: Duration
    /// Since when the store has not answered.
    private var awaySince: ContinuousClock.Instant?

    /// Puts a flight on the board and begins to look after it.
    static func start(
        _ place: AnswerPlace, lease: LeaseToken, _ around: LeadingFlight.Surroundings, clock: any WallClock
    ) -> Flight {
        let flight = Flight(place, lease: lease)
        around.board.add(flight)
        let follower = FollowingFlight(flight, around, clock)
        follower.wait()
        return flight
    }

    private init(_ flight: Flight, _ around: LeadingFlight.Surroundings, _ clock: any WallClock) {
        self.flight = flight
        self.around = around
        self.clock = clock
        pause = around.bounds.look.shortest
    }

    private func wait() {
        around.timers.after(pause) { self.look() }
        pause = min(pause * 3 / 2, around.bounds.look.longest)
    }

    private func look() {
        guard flight.hasAudience || payload?.hasReaders == true else { return end(.released) }
        around.store.look(at: flight.place, lease: flight.lease, from: payload?.length ?? 0) { self.take($0) }
    }

    private func take(_ view: LeaseView) {
        if view != .unavailable { awaySince = nil }
        switch view {
        case .pending: wait()
        case .live(let form, let bytes):
            guard add(bytes, of: form) else { return end(.released) }
            if bytes.readableBytes > 0 { pause = around.bounds.look.shortest }
            wait()
        case .stored(let answer): finish(answer)
        case .failed: end(.released)
        case .gone: end(.gone)
        case .unavailable:
            // Who has got nothing yet is better off on its own.
            guard payload?.hasReaders == true else { return end(.gone) }
            let now = clock.monotonic
            let since = awaySince ?? now
            awaySince = since
            if now - since > around.bounds.patience { end(.gone) } else { wait() }
        }
    }

    /// False when there is no memory for more, or the answer is another one than it was.
    private func add(_ bytes: ByteBuffer, of form: AnswerForm) -> Bool {
        guard flight.form == nil || flight.form == form else { return false }
        guard (payload?.length ?? 0) + bytes.readableBytes <= around.bounds.entry else { return false }
        let payload = payload ?? SharedPayload(budget: around.budget)
        self.payload = payload
        flight.begin(form, payload)
        return payload.append(bytes)
    }

    private func finish(_ answer: KeptAnswer) {
        var rest = answer.payload
        if let payload {
            // The entry may be somebody else's, who asked anew.
            guard payload.isPrefix(of: rest) else { return end(.gone) }
            rest.moveReaderIndex(forwardBy: payload.length)
        }
        guard add(rest, of: answer.form) else { return end(.released) }
        around.board.remove(flight)
        flight.complete()
    }

    private func end(_ farewell: Flight.Farewell) {
        around.board.remove(flight)
        payload?.finish(.broken)
        flight.end(farewell)
    }
}
