/// The monthly partitions of the log tables.
package struct LogPartitions: Sendable {
    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    /// Makes the partitions of this month and of `months` after it, where they are missing; returns how many are new.
    @discardableResult
    package func make(ahead months: Int) async throws(PostgresError) -> Int {
        try await pool.query("SELECT make_log_partitions($1::integer) AS made", [.int(months)])[0].int("made")
    }
}
