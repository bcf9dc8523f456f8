package import PostgresStore

/// Keeps the roll-ups by the minute from growing for ever.
package struct UsageKeeper: Sendable {
    private let rollUps: UsageRollUps
    private let report: @Sendable (String) -> Void

    /// - Parameters:
    ///   - pool: its statements may take a while.
    ///   - report: told of the first failure of an outage; it is tried again.
    package init(_ pool: PostgresPool, report: @escaping @Sendable (String) -> Void) {
        rollUps = UsageRollUps(pool)
        self.report = report
    }

    /// Works until the task is cancelled.
    package func run() async {
        await BackgroundWork(pause: .seconds(3600), report: report).run { try await rollUps.prune() > 0 }
    }
}
