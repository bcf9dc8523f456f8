/// Decides whether Redis is asked at all, and when it is tried again.
///
/// - closed: operations go out. Next: open, when an answer is late or the connection is lost.
/// - open: operations are refused at once. Next: halfOpen, when a probe starts.
/// - halfOpen: still refused; a probe is under way. Next: closed (it was answered) or open (it was not).
package struct Breaker: Sendable, Equatable {
    package enum State: Sendable, Equatable { case closed, open, halfOpen }

    package private(set) var state = State.open
    /// Probes that failed since the breaker was last closed.
    package private(set) var failedProbes = 0
    private let firstDelay: Duration
    private let longestDelay: Duration

    /// A breaker starts open: nothing is known of the server yet.
    package init(firstDelay: Duration = .milliseconds(20), longestDelay: Duration = .seconds(1)) {
        self.firstDelay = firstDelay
        self.longestDelay = longestDelay
    }

    package var admitsOperations: Bool { state == .closed }

    /// How long to wait before the next probe: none for the first, then doubling up to the longest.
    package var delay: Duration {
        guard failedProbes > 0 else { return .zero }
        var delay = firstDelay
        for _ in 1..<max(failedProbes, 1) where delay < longestDelay { delay *= 2 }
        return min(delay, longestDelay)
    }

    /// An answer was late or the connection is lost.
    package mutating func trip() {
        if state == .halfOpen { failedProbes += 1 }
        state = .open
    }

    package mutating func startProbe() {
        precondition(state == .open, "a probe starts while the breaker is \(state)")
        state = .halfOpen
    }

    package mutating func probeSucceeded() {
        precondition(state == .halfOpen, "a probe ends while the breaker is \(state)")
        state = .closed
        failedProbes = 0
    }
}
