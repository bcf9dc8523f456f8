package import GatewayCore

/// The monthly partitions of the log tables.
package struct LogPartitions: Sendable {
    /// Rows of one statement: short enough for a pool whose statements may not take long.
    private static let pieceLength = 5000
    /// Counts, or rows that have to be counted, of one statement: a tenth of a second.
    private static let countsAtOnce = 20_000

    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    /// Makes the partitions of this month and of `months` after it, where they are missing; returns how many are new.
    @discardableResult
    package func make(ahead months: Int) async throws(PostgresError) -> Int {
        try await pool.query("SELECT make_log_partitions($1::integer) AS made", [.int(months)])[0].int("made")
    }

    /// Drops the months that ended before `limit`, with their bodies; returns how many went.
    ///
    /// They are gone at once; their counts follow with `recount`, their space with `removeDropped`. Fails when readers or writers hold a month for
    /// two seconds; it may be tried again.
    @discardableResult
    package func drop(before limit: Instant) async throws(PostgresError) -> Int {
        let expired = try await pool.query(
            """
            SELECT month::text AS month FROM log_months() AS month
            WHERE (month + interval '1 month') AT TIME ZONE 'UTC' <= $1 ORDER BY month
            """,
            [.instant(limit)]
        )
        var dropped = 0
        for row in expired {
            let gone = try await pool.query(
                "SELECT drop_log_month($1::date) AS dropped", [.text(try row.text("month"))]
            )
            if try gone.first?.bool("dropped") == true { dropped += 1 }
        }
        return dropped
    }

    /// Gives back the space of dropped months, which takes the file system's time; returns the number of tables.
    @discardableResult
    package func removeDropped() async throws(PostgresError) -> Int {
        try await pool.query("SELECT remove_dropped_logs() AS removed").first?.int("removed") ?? 0
    }

    /// Deletes rows without a partition of their own, and bodies, that were made before `limit`; returns how many went.
    @discardableResult
    package func deleteStrays(before limit: Instant) async throws(PostgresError) -> Int {
        var deleted = 0
        while !Task.isCancelled {
            let gone = try await pool.query(
                "SELECT delete_default_logs($1, $2::integer) AS deleted", [.instant(limit), .int(Self.pieceLength)]
            )[0].int("deleted")
            if gone == 0 { break }
            deleted += gone
        }
        return deleted
    }

    /// Brings the counts in line with partitions that were dropped by hand; returns how many months that concerned.
    ///
    /// Reads all counts, so it may take long. Does nothing while another node is at it.
    @discardableResult
    package func sweepCounts() async throws(PostgresError) -> Int {
        let stale = try await pool.query(
            "SELECT recount_log_month(month) FROM (SELECT * FROM stale_log_months() AS month) months")
        try await recount()
        return stale.count
    }

    /// Makes the counts of dropped months anew, piece by piece; returns the number of pieces.
    ///
    /// Leaves off when another node is at it.
    @discardableResult
    package func recount() async throws(PostgresError) -> Int {
        var pieces = 0
        while !Task.isCancelled {
            let done = try await pool.query(
                "SELECT recount_log_piece($1::integer) AS done", [.int(Self.countsAtOnce)])
            guard try done[0].bool("done") else { break }
            pieces += 1
        }
        return pieces
    }

    /// Forgets which records were counted without rows, where nobody did so in a week: control died before it
    /// could; returns how many were forgotten.
    @discardableResult
    package func forgetRefusals() async throws(PostgresError) -> Int {
        var forgotten = 0
        while !Task.isCancelled {
            let gone = try await pool.query(
                """
                DELETE FROM log_refusals WHERE id IN (
                    SELECT id FROM log_refusals WHERE refused_at < now() - interval '7 days' ORDER BY refused_at LIMIT $1
                )
                """, [.int(Self.pieceLength)]
            ).affected
            if gone == 0 { break }
            forgotten += gone
        }
        return forgotten
    }
}
