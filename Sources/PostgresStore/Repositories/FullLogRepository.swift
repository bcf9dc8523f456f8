import GatewayCore

/// The logs that hold more rows than their gateways allow, of those that make room for new rows.
package struct FullLogRepository: Sendable {
    /// Rows of one transaction.
    private static let pieceLength = 2000

    private let pool: PostgresPool
    private let rowLimit: Int

    /// - Parameter rowLimit: rows that a gateway's log may hold when it says nothing itself, and at most.
    /// - Source: control-plane §4.8 · documented.
    package init(_ pool: PostgresPool, rowLimit: Int) {
        self.pool = pool
        self.rowLimit = rowLimit
    }

    /// Deletes the oldest rows of logs that are too long, a piece of each; returns how many rows went.
    package func trim() async throws -> Int {
        let full = try await pool.query(
            """
            SELECT t.account_id, t.gateway_id FROM log_totals t
            JOIN gateways g ON g.account_id = t.account_id AND g.id = t.gateway_id
            WHERE g.log_management_strategy = 'DELETE_OLDEST' AND t.rows > least(coalesce(g.log_management, $1), $1)
            ORDER BY t.account_id, t.gateway_id
            """,
            [.int(rowLimit)]
        )
        var trimmed = 0
        for row in full {
            trimmed += try await trim(GatewayID(try row.text("gateway_id")), of: AccountID(try row.text("account_id")))
        }
        return trimmed
    }

    private func trim(_ gateway: GatewayID, of account: AccountID) async throws -> Int {
        try await pool.transaction { transaction in
            let names: [PostgresValue] = [.text(account.rawValue), .text(gateway.rawValue)]
            // One node at a time, or the excess would be deleted twice.
            let lock = try await transaction.query(
                "SELECT pg_try_advisory_xact_lock(log_limit_lock($1, $2)) AS mine", names
            )
            guard try lock.first?.bool("mine") == true else { return 0 }
            // From here on no month is dropped; of one that was, the total may not know it yet.
            _ = try await transaction.query(LogLock.tables)
            let excess = try await transaction.query(
                """
                SELECT t.rows - least(coalesce(g.log_management, $3), $3) AS excess FROM log_totals t
                JOIN gateways g ON g.account_id = t.account_id AND g.id = t.gateway_id
                WHERE t.account_id = $1 AND t.gateway_id = $2 AND g.log_management_strategy = 'DELETE_OLDEST'
                    AND NOT EXISTS (SELECT FROM log_recounts)
                """,
                names + [.int(rowLimit)]
            )
            guard let rows = try excess.first?.int("excess"), rows > 0 else { return 0 }
            var query = LogQuery(account: account, gateway: gateway)
            query.direction = .asc
            return try await transaction.deleteLogs(query, limit: min(rows, Self.pieceLength)).deleted
        }
    }
}
