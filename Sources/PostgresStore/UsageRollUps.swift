/// The roll-ups of settled requests.
///
/// The database keeps them itself, in the transaction that stores the requests; here is what has to be done from time to
/// time.
package struct UsageRollUps: Sendable {
    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    /// Removes what nobody can ask for any more; returns the number of rows.
    @discardableResult
    package func prune() async throws(PostgresError) -> Int {
        try await pool.query("SELECT prune_usage() AS pruned")[0].int("pruned")
    }
}
