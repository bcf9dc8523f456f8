import GatewayCore
import Synchronization

/// Counts the calls of each token on this node, and lets nobody make more than a number in five minutes.
///
/// - Source: control-plane §1.6 · documented: who exceeds the quota is refused for the next five minutes.
final class CallQuota: Sendable {
    /// Where a token stands.
    struct Standing: Equatable {
        var quota: Int
        var left: Int
        /// Seconds until the count begins anew.
        var reset: Int
        var isExceeded: Bool
    }

    private struct Count {
        var since: Instant
        var calls: Int
        var blockedUntil: Instant?
    }

    static let windowSeconds = 300
    private static let window = Int64(windowSeconds) * 1_000_000
    /// Counts of windows that are over are dropped when there are more.
    private static let countsLimit = 4096

    private let quota: Int
    private let clock: any WallClock
    // A lock, because calls are answered on several threads and each only adds one.
    private let counts = Mutex<[TokenID: Count]>([:])

    /// - Parameter quota: calls in five minutes; nil is returned for 0, which stands for no limit.
    init?(quota: Int, clock: any WallClock) {
        guard quota > 0 else { return nil }
        self.quota = quota
        self.clock = clock
    }

    /// Counts one call.
    func count(_ token: TokenID) -> Standing {
        let now = clock.now
        return counts.withLock { counts in
            if counts.count >= Self.countsLimit {
                counts = counts.filter { now.microseconds - $0.value.since.microseconds < Self.window }
            }
            var count = counts[token] ?? Count(since: now, calls: 0)
            let isOver = now.microseconds - count.since.microseconds >= Self.window
            if let end = count.blockedUntil ?? (isOver ? now : nil), end <= now {
                count = Count(since: now, calls: 0)
            }
            count.calls += 1
            if count.calls > quota, count.blockedUntil == nil {
                count.blockedUntil = Instant(microseconds: now.microseconds + Self.window)
            }
            counts[token] = count
            let end = count.blockedUntil?.microseconds ?? count.since.microseconds + Self.window
            return Standing(
                quota: quota, left: max(0, quota - count.calls),
                reset: max(1, Int((end - now.microseconds + 999_999) / 1_000_000)),
                isExceeded: count.blockedUntil != nil
            )
        }
    }
}
