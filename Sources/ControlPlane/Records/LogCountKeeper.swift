package import PostgresStore

/// Brings the counts of logs in line with partitions that somebody dropped by hand, once a day and at the start.
package struct LogCountKeeper: Sendable {
    private let partitions: LogPartitions
    private let report: @Sendable (String) -> Void

    /// - Parameters:
    ///   - pool: its statements may take as long as reading all counts does.
    ///   - report: told of the first failure of an outage; it is tried again.
    package init(_ pool: PostgresPool, report: @escaping @Sendable (String) -> Void) {
        partitions = LogPartitions(pool)
        self.report = report
    }

    /// Works until the task is cancelled.
    package func run() async {
        let work = BackgroundWork(pause: .seconds(86_400), pauseAfterFailure: .seconds(60), report: report)
        await work.run {
            try await partitions.sweepCounts()
            return false
        }
    }
}
