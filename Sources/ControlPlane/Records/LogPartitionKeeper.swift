package import GatewayCore
package import PostgresStore

/// Keeps the log tables' partitions ahead of the calendar, and drops those that are older than logs are to be kept.
///
/// Late is harmless: rows without a partition of their own wait in the default one and move when it is made.
package struct LogPartitionKeeper: Sendable {
    private static let monthsAhead = 2
    private static let interval = Duration.seconds(60)
    private static let retry = Duration.seconds(10)

    private let partitions: LogPartitions
    /// Days after which a month of logs may go; zero: never.
    private let retentionDays: Int
    private let clock: any WallClock
    private let report: @Sendable (PostgresError) -> Void

    /// - Parameters:
    ///   - retentionDays: a month is dropped when its last day is this old; zero: logs are kept.
    ///   - report: told of every failed attempt, which is repeated.
    package init(
        _ pool: PostgresPool, retentionDays: Int, clock: any WallClock,
        report: @escaping @Sendable (PostgresError) -> Void
    ) {
        partitions = LogPartitions(pool)
        self.retentionDays = retentionDays
        self.clock = clock
        self.report = report
    }

    /// Works until the task is cancelled.
    package func run() async {
        while !Task.isCancelled {
            var pause = Self.interval
            do throws(PostgresError) {
                try await keep()
            } catch {
                report(error)
                pause = Self.retry
            }
            do { try await Task.sleep(for: pause) } catch { return }
        }
    }

    /// One round.
    package func keep() async throws(PostgresError) {
        try await partitions.make(ahead: Self.monthsAhead)
        if retentionDays > 0 {
            let age = Int64(retentionDays) * 86_400_000_000
            try await partitions.drop(before: Instant(microseconds: clock.now.microseconds - age))
        }
        try await partitions.removeDropped()
        try await partitions.sweepCounts()
        try await partitions.forgetRefusals()
    }
}
