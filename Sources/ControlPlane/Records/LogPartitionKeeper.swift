package import PostgresStore

/// Keeps the log tables' partitions ahead of the calendar.
///
/// Late is harmless: rows without a partition of their own wait in the default one and move when it is made.
package struct LogPartitionKeeper: Sendable {
    private static let monthsAhead = 2
    private static let interval = Duration.seconds(3600)
    private static let retry = Duration.seconds(10)

    private let partitions: LogPartitions
    private let report: @Sendable (PostgresError) -> Void

    /// - Parameter report: told of every failed attempt, which is repeated.
    package init(_ pool: PostgresPool, report: @escaping @Sendable (PostgresError) -> Void) {
        partitions = LogPartitions(pool)
        self.report = report
    }

    /// Works until the task is cancelled.
    package func run() async {
        while !Task.isCancelled {
            var pause = Self.interval
            do throws(PostgresError) {
                try await partitions.make(ahead: Self.monthsAhead)
            } catch {
                report(error)
                pause = Self.retry
            }
            do { try await Task.sleep(for: pause) } catch { return }
        }
    }
}
