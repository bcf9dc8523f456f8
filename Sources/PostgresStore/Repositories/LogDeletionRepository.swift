package import GatewayCore

/// A deletion of log rows that was asked for and is not done.
package struct LogDeletion: Sendable, Equatable {
    package var id: Int
    package var account: AccountID
    package var gateway: GatewayID
    /// Filters and order as JSON text; nil: every row, because the gateway was deleted.
    package var selection: String?
    /// How many more rows may go; nil: all.
    package var remaining: Int?
    /// Rows that were made later stay.
    package var cut: Instant
}

/// Deletions of log rows: promised at once, carried out in small pieces by any node.
package struct LogDeletionRepository: Sendable {
    /// What one piece of work came to.
    package enum Step: Sendable, Equatable {
        /// Nothing is to be done now.
        case idle
        /// `rows` were found; those that somebody else deleted at the same time are among them.
        case deleted(rows: Int)
        /// A deletion whose selection cannot be read, or be applied to any row, was given up.
        case unreadable(id: Int)
        /// A deletion failed and will be tried again later; others may go on.
        case postponed(id: Int, reason: String)
    }

    /// Rows of one transaction, when they are found in the order of time.
    private static let pieceLength = 1000
    /// Spools may still hold rows of a deleted gateway for this long.
    private static let lateRows: StaticString = "interval '10 minutes'"

    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    /// Promises to delete up to `limit` of the rows that are there now.
    package func request(
        _ selection: String, limit: Int, of gateway: GatewayID, in account: AccountID
    ) async throws(PostgresError) {
        _ = try await pool.query(
            "INSERT INTO log_deletions (account_id, gateway_id, selection, remaining) VALUES ($1, $2, $3, $4)",
            [.text(account.rawValue), .text(gateway.rawValue), .json(selection), .int(limit)]
        )
    }

    /// Carries out one piece of the oldest deletion that no other node is at.
    ///
    /// - Parameter read: makes a query of a deletion's selection; nil when it cannot be read.
    package func step(_ read: @Sendable (LogDeletion) -> LogQuery?) async throws -> Step {
        var taken: LogDeletion?
        do {
            return try await step(read) { taken = $0 }
        } catch let error as PostgresError {
            guard let taken, error.isOfStatement else { throw error }
            // The log of a deleted gateway has no selection that could be to blame, and must not be left.
            if error.isAboutContent, taken.selection != nil {
                _ = try await pool.query("DELETE FROM log_deletions WHERE id = $1", [.int(taken.id)])
                return .unreadable(id: taken.id)
            }
            _ = try await pool.query(
                """
                UPDATE log_deletions SET attempts = attempts + 1,
                    not_before = clock_timestamp() + postponement(attempts + 1) WHERE id = $1
                """, [.int(taken.id)]
            )
            return .postponed(id: taken.id, reason: error.description)
        }
    }

    private func step(
        _ read: @Sendable (LogDeletion) -> LogQuery?, taking take: (LogDeletion) -> Void
    ) async throws -> Step {
        try await pool.transaction { transaction in
            let found = try await transaction.query(
                """
                SELECT id, account_id, gateway_id, selection::text AS selection, remaining, cut FROM log_deletions
                WHERE not_before <= clock_timestamp() ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
                """
            )
            guard let deletion = try found.first.map(LogDeletion.init) else { return .idle }
            take(deletion)
            guard var query = read(deletion) else {
                try await Self.finish(deletion, transaction)
                return .unreadable(id: deletion.id)
            }
            query.conditions.append(LogCondition(.createdAt, .less, [.instant(deletion.cut.next)]))
            let wanted = deletion.remaining ?? .max
            let piece = query.order == .createdAt ? min(wanted, Self.pieceLength) : min(wanted, 10 * Self.pieceLength)
            let rows = try await transaction.deleteLogs(query, limit: piece)
            try await Self.note(rows, of: piece, deletion, transaction)
            return .deleted(rows: rows.selected)
        }
    }

    private static func note(
        _ rows: DeletedLogs, of piece: Int, _ deletion: LogDeletion, _ transaction: PostgresTransaction
    ) async throws(PostgresError) {
        if let remaining = deletion.remaining {
            guard rows.selected == piece, remaining > rows.deleted else {
                return try await finish(deletion, transaction)
            }
            _ = try await transaction.query(
                "UPDATE log_deletions SET remaining = $2, attempts = 0 WHERE id = $1",
                [.int(deletion.id), .int(remaining - rows.deleted)]
            )
        } else if rows.selected < piece {
            var isOver = PostgresQuery("DELETE FROM log_deletions WHERE created_at < clock_timestamp() - ")
            isOver.append(lateRows)
            isOver.append(" AND id = ", value: .int(deletion.id))
            _ = try await transaction.query(isOver)
            _ = try await transaction.query(
                "UPDATE log_deletions SET not_before = clock_timestamp() + interval '20 seconds' WHERE id = $1",
                [.int(deletion.id)]
            )
        }
    }

    private static func finish(
        _ deletion: LogDeletion, _ transaction: PostgresTransaction
    ) async throws(PostgresError) {
        _ = try await transaction.query("DELETE FROM log_deletions WHERE id = $1", [.int(deletion.id)])
    }
}

extension LogDeletion {
    fileprivate init(_ row: PostgresRow) throws(PostgresError) {
        self.init(
            id: try row.int("id"), account: AccountID(try row.text("account_id")),
            gateway: GatewayID(try row.text("gateway_id")), selection: try row.textOrNil("selection"),
            remaining: try row.intOrNil("remaining"), cut: try row.instant("cut")
        )
    }
}
