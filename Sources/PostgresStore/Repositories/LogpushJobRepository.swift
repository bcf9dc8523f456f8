package import GatewayCore

/// One Logpush job, without its destination.
package struct LogpushJob: Sendable, Equatable {
    package var id: Int
    package var name: String
    package var enabled: Bool
    /// What may be shown of the destination.
    package var destinationPreview: String
    package var lastComplete: Instant?
    package var lastError: Instant?
    package var errorMessage: String?
}

/// The Logpush jobs of accounts.
package struct LogpushJobRepository: Sendable {
    /// What a change leaves as it is, is nil.
    package struct Change: Sendable {
        package var name: String?
        package var enabled: Bool?
        package var destination: (envelope: [UInt8], preview: String)?

        package init(
            name: String? = nil, enabled: Bool? = nil, destination: (envelope: [UInt8], preview: String)? = nil
        ) {
            self.name = name
            self.enabled = enabled
            self.destination = destination
        }
    }

    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    /// All jobs of an account, oldest first.
    package func list(of account: AccountID) async throws(PostgresError) -> [LogpushJob] {
        try await pool.query(
            "SELECT * FROM logpush_jobs WHERE account_id = $1 ORDER BY id", [.text(account.rawValue)]
        ).map { (row) throws(PostgresError) in try LogpushJob(row) }
    }

    package func find(_ id: Int, of account: AccountID) async throws(PostgresError) -> LogpushJob? {
        try await pool.query(
            "SELECT * FROM logpush_jobs WHERE account_id = $1 AND id = $2", [.text(account.rawValue), .int(id)]
        ).first.map { (row) throws(PostgresError) in try LogpushJob(row) }
    }

    /// Adds a job; nil when the account has `limit` of them.
    package func insert(
        _ job: Change, limit: Int, of account: AccountID
    ) async throws -> LogpushJob? {
        try await pool.transaction { transaction in
            // Callers of one account take turns, so that none slips past the limit.
            _ = try await transaction.query(
                "SELECT FROM accounts WHERE id = $1 FOR UPDATE", [.text(account.rawValue)])
            return try await transaction.query(
                """
                INSERT INTO logpush_jobs (account_id, name, enabled, destination_envelope, destination_preview)
                SELECT $1, $2, $3, $4, $5 WHERE (SELECT count(*) FROM logpush_jobs WHERE account_id = $1) < $6
                RETURNING *
                """,
                [
                    .text(account.rawValue), .text(job.name ?? ""), .bool(job.enabled ?? false),
                    .bytes(job.destination?.envelope ?? []), .text(job.destination?.preview ?? ""), .int(limit),
                ]
            ).first.map { try LogpushJob($0) }
        }
    }

    /// Changes a job; nil when there is none.
    package func update(
        _ id: Int, _ change: Change, of account: AccountID
    ) async throws(PostgresError) -> LogpushJob? {
        try await pool.change(
            """
            UPDATE logpush_jobs SET name = coalesce($3, name), enabled = coalesce($4, enabled),
                destination_envelope = coalesce($5, destination_envelope),
                destination_preview = coalesce($6, destination_preview), modified_at = now()
            WHERE account_id = $1 AND id = $2 RETURNING *
            """,
            [
                .text(account.rawValue), .int(id), .text(change.name), change.enabled.map { .bool($0) } ?? .null,
                change.destination.map { .bytes($0.envelope) } ?? .null, .text(change.destination?.preview),
            ]
        ).first.map { (row) throws(PostgresError) in try LogpushJob(row) }
    }

    /// Deletes a job; false when there is none.
    ///
    /// What waits for it is left to `ExportQueue.prune`: it may be more than one statement can delete.
    package func delete(_ id: Int, of account: AccountID) async throws(PostgresError) -> Bool {
        try await pool.change(
            "DELETE FROM logpush_jobs WHERE account_id = $1 AND id = $2 RETURNING id",
            [.text(account.rawValue), .int(id)]
        ).first != nil
    }
}

extension LogpushJob {
    init(_ row: PostgresRow) throws(PostgresError) {
        self.init(
            id: try row.int("id"), name: try row.text("name"), enabled: try row.bool("enabled"),
            destinationPreview: try row.text("destination_preview"),
            lastComplete: try row.instantOrNil("last_complete"), lastError: try row.instantOrNil("last_error"),
            errorMessage: try row.textOrNil("error_message")
        )
    }
}
