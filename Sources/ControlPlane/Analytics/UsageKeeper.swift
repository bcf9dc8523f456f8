package import PostgresStore

/// Keeps the roll-ups by the minute from growing for ever.
package struct UsageKeeper: Sendable {
    private static let interval = Duration.seconds(3600)

    private let rollUps: UsageRollUps
    private let report: @Sendable (PostgresError) -> Void

    /// - Parameter report: told of every failed attempt, which is repeated after an hour.
    package init(_ pool: PostgresPool, report: @escaping @Sendable (PostgresError) -> Void) {
        rollUps = UsageRollUps(pool)
        self.report = report
    }

    /// Works until the task is cancelled.
    package func run() async {
        while !Task.isCancelled {
            do throws(PostgresError) { try await rollUps.prune() } catch { report(error) }
            do { try await Task.sleep(for: Self.interval) } catch { return }
        }
    }
}
