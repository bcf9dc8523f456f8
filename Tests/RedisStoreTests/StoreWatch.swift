import GatewayCore
import NIOCore
import TestKit

/// Takes a connection's observations and lets a test wait for the next one.
@WorkerLoop
final class StoreWatch: Observer {
    enum Event: Equatable, Sendable {
        case available
        case unavailable(String)
        case refused(String)
        var isUnavailable: Bool {
            if case .unavailable = self { return true }
            return false
        }
    }

    private var events: [Event] = []
    private var waiter: CheckedContinuation<Event?, Never>?

    nonisolated init() {}

    func record(_ observation: Observation) {
        switch observation {
        case .storeAvailable(.redis): note(.available)
        case .storeUnavailable(.redis, let reason): note(.unavailable(reason))
        case .storeRefused(.redis, let reason): note(.refused(reason))
        default: break
        }
    }

    private func note(_ event: Event) {
        if let waiter {
            self.waiter = nil
            waiter.resume(returning: event)
        } else {
            events.append(event)
        }
    }

    /// The next observation; nil when none comes for half a minute, so that a test fails instead of hanging.
    func next() async -> Event? {
        if !events.isEmpty { return events.removeFirst() }
        let patience = TestLoop.loop.scheduleTask(in: .seconds(30)) {
            WorkerLoop.onLoop { self.giveUp() }
        }
        defer { patience.cancel() }
        return await withCheckedContinuation { waiter = $0 }
    }

    private func giveUp() {
        waiter?.resume(returning: nil)
        waiter = nil
    }
}

/// A clock that a test sets.
final class FixedClock: WallClock {
    let now: Instant
    init(_ now: Instant) { self.now = now }
    var monotonic: ContinuousClock.Instant { .now }
}
