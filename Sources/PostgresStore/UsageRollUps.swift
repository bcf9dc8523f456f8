/// The roll-ups of settled requests.
///
/// The database keeps them itself, in the transaction that stores the requests; here is what has to be done from time to
/// time.
package struct UsageRollUps: Sendable {
    /// Rows of each table that one statement deletes.
    private static let pieceLength = 20_000

    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    /// Removes a piece of what nobody can ask for any more; returns the number of rows, zero when nothing is left.
    @discardableResult
    package func prune() async throws(PostgresError) -> Int {
        try await pool.query("SELECT prune_usage($1::integer) AS pruned", [.int(Self.pieceLength)])[0].int("pruned")
    }
}
