package import GatewayCore

/// How often one call is tried, how long to wait in between, and how long each try may take.
///
/// - Source: data-plane §4.3, §4.4; decisions 5. No jitter: waits are exact.
package struct RetrySchedule: Sendable, Equatable {
    /// Whether another provider call stands by for when this one fails for good.
    package enum Fallback: Sendable { case remains, none }

    /// Tries, the first one included; at least 1.
    package var attempts: Int
    /// The wait before the second try.
    package var delay: Duration
    package var backoff: RetryBackoff

    /// No wait is longer, whoever asked for it.
    package static let longestWait = Duration.seconds(60)

    package init(attempts: Int, delay: Duration, backoff: RetryBackoff) {
        self.attempts = max(1, attempts)
        self.delay = max(.zero, delay)
        self.backoff = backoff
    }

    /// Whether an answer with this status is a failure that another try may mend.
    package static func isRetried(status: Int) -> Bool {
        switch status {
        case 408, 409, 425, 429, 500...599: true
        default: false
        }
    }

    /// Whether there is a try after try `attempt`, the first one being 1.
    package func hasTry(after attempt: Int) -> Bool { attempt < attempts }

    /// The wait between try `attempt`, the first one being 1, and the next.
    /// - Parameters:
    ///   - retryAfter: what the provider asked for; kept to when it fits under `longestWait` and `timeout`, otherwise
    ///     ignored, because a client that is kept waiting longer gains nothing.
    ///   - timeout: the request's own, if it has one.
    package func wait(after attempt: Int, retryAfter: Duration? = nil, timeout: Duration? = nil) -> Duration {
        let own = ownWait(after: max(1, attempt))
        guard let retryAfter, retryAfter <= Self.longestWait, timeout.map({ retryAfter <= $0 }) ?? true else {
            return own
        }
        return max(own, retryAfter)
    }

    /// How long try `attempt`, the first one being 1, may take until the first part of the answer; nil: no limit.
    ///
    /// The last of several tries is waited for when nothing else could still answer.
    package func timeout(forAttempt attempt: Int, of timeout: Duration?, fallback: Fallback) -> Duration? {
        attempts > 1 && attempt >= attempts && fallback == .none ? nil : timeout
    }

    private func ownWait(after attempt: Int) -> Duration {
        let factor: Int
        switch backoff {
        case .constant: factor = 1
        case .linear: factor = attempt
        case .exponential: factor = 1 << min(attempt - 1, 30)
        }
        guard delay < Self.longestWait else { return Self.longestWait }
        return min(delay * factor, Self.longestWait)
    }
}
