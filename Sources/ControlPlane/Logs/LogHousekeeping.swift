import GatewayCore
package import PostgresStore

/// Deletes what was promised to be deleted, and what full logs make room with, in pieces that hold nobody up.
///
/// Every node runs it; they share the work and never do a piece twice.
package struct LogHousekeeping: Sendable {
    /// What somebody may have to look at.
    package enum Event: Sendable, Equatable {
        /// Repeated until it works; told once per outage.
        case waiting(problem: String)
        /// A deletion whose selection this release cannot read was given up.
        case unreadableDeletion(id: Int)
    }

    private let deletions: LogDeletionRepository
    private let fullLogs: FullLogRepository
    private let report: @Sendable (Event) -> Void

    /// - Parameters:
    ///   - pool: its statements may take as long as searching a whole log does.
    ///   - rowLimit: rows that a gateway's log may hold at most.
    ///   - report: for the process log.
    package init(
        _ pool: PostgresPool, rowLimit: Int = ProductLimits().logRowsPerGateway,
        report: @escaping @Sendable (Event) -> Void
    ) {
        deletions = LogDeletionRepository(pool)
        fullLogs = FullLogRepository(pool, rowLimit: rowLimit)
        self.report = report
    }

    /// Works until the task is cancelled.
    package func run() async {
        let work = BackgroundWork(pause: .milliseconds(300)) { [report] in report(.waiting(problem: $0)) }
        await work.run(step)
    }

    /// One piece of each kind of work; whether there may be more at once.
    package func step() async throws -> Bool {
        let trimmed = try await fullLogs.trim()
        switch try await deletions.step(Self.read) {
        case .idle: return trimmed > 0
        case .deleted(let rows): return rows > 0 || trimmed > 0
        case .unreadable(let id):
            report(.unreadableDeletion(id: id))
            return true
        }
    }

    private static func read(_ deletion: LogDeletion) -> LogQuery? {
        guard let text = deletion.selection else {
            var query = LogQuery(account: deletion.account, gateway: deletion.gateway)
            query.direction = .asc
            return query
        }
        guard let selection = (try? JSONValue(parsing: text)).flatMap(LogSelection.init) else { return nil }
        return try? selection.query(of: deletion.gateway, in: deletion.account)
    }
}
