package import GatewayCore
package import PostgresStore

/// Keeps the log tables' partitions ahead of the calendar, and drops what is older than logs are to be kept.
///
/// Late is harmless: rows without a partition of their own wait in the default one and move when it is made.
package struct LogPartitionKeeper: Sendable {
    private static let monthsAhead = 2
    private static let interval = Duration.seconds(60)
    private static let retry = Duration.seconds(10)

    private let partitions: LogPartitions
    /// For what may take its time.
    private let patient: LogPartitions
    /// Days after which a month of logs may go; zero: never.
    private let retentionDays: Int
    private let clock: any WallClock
    private let report: @Sendable (PostgresError) -> Void

    /// - Parameters:
    ///   - patience: its statements may take as long as removing the files of a month does.
    ///   - retentionDays: a month is dropped when its last day is this old; zero: logs are kept.
    ///   - report: told of every failed attempt, which is repeated.
    package init(
        _ pool: PostgresPool, patience: PostgresPool, retentionDays: Int, clock: any WallClock,
        report: @escaping @Sendable (PostgresError) -> Void
    ) {
        partitions = LogPartitions(pool)
        patient = LogPartitions(patience)
        self.retentionDays = retentionDays
        self.clock = clock
        self.report = report
    }

    /// Works until the task is cancelled.
    package func run() async {
        while !Task.isCancelled {
            let problems = await keep()
            problems.forEach(report)
            do { try await Task.sleep(for: problems.isEmpty ? Self.interval : Self.retry) } catch { return }
        }
    }

    /// One round; returns what failed of it, which keeps nothing else from being done.
    package func keep() async -> [PostgresError] {
        var problems: [PostgresError] = []
        let steps: [() async throws(PostgresError) -> Void] = [
            make, drop, recount, deleteStrays, forgetRefusals, removeDropped,
        ]
        for step in steps {
            do throws(PostgresError) { try await step() } catch { problems.append(error) }
        }
        return problems
    }

    private func make() async throws(PostgresError) { try await partitions.make(ahead: Self.monthsAhead) }

    private func drop() async throws(PostgresError) {
        if let expiry { try await partitions.drop(before: expiry) }
    }

    private func recount() async throws(PostgresError) { try await patient.recount() }

    private func forgetRefusals() async throws(PostgresError) { try await patient.forgetRefusals() }

    private func removeDropped() async throws(PostgresError) { try await patient.removeDropped() }

    private func deleteStrays() async throws(PostgresError) {
        if let expiry { try await patient.deleteStrays(before: expiry) }
    }

    /// What was made before is not to be kept; nil: everything is.
    private var expiry: Instant? {
        guard retentionDays > 0 else { return nil }
        return Instant(microseconds: clock.now.microseconds - Int64(retentionDays) * 86_400_000_000)
    }
}
