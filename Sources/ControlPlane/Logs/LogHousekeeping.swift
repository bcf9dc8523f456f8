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
        /// A deletion whose selection this release cannot read or apply was given up.
        case unreadableDeletion(id: Int)
        /// A deletion failed and is tried again later, less and less often.
        case postponedDeletion(id: Int, reason: String)
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

    /// Works until the task is cancelled: on both kinds of work at once, so that a selection that takes minutes keeps no
    /// full log from making room.
    package func run() async {
        let work = BackgroundWork(pause: .milliseconds(300)) { [report] in report(.waiting(problem: $0)) }
        await withDiscardingTaskGroup { group in
            group.addTask { await work.run(trim) }
            group.addTask { await work.run(delete) }
        }
    }

    /// One piece of each kind of work; whether there may be more at once.
    package func step() async throws -> Bool {
        let trimmed = try await trim()
        return try await delete() || trimmed
    }

    /// A piece of every log that is too long.
    private func trim() async throws -> Bool { try await fullLogs.trim() > 0 }

    /// A piece of one deletion.
    private func delete() async throws -> Bool {
        switch try await deletions.step(Self.read) {
        case .idle: return false
        case .deleted(let rows): return rows > 0
        case .unreadable(let id): report(.unreadableDeletion(id: id))
        case .postponed(let id, let reason): report(.postponedDeletion(id: id, reason: reason))
        }
        return true
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
