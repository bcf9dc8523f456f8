package import GatewayCore

/// The datasets of gateways, one gateway at a time.
package struct DatasetRepository: Sendable {
    /// Which datasets a list shows.
    package struct Selection: Sendable, Equatable {
        /// A part of the name.
        package var name: String?
        package var isEnabled: Bool?
        /// A part of id, name or filters.
        package var search: String?

        package init() {}
    }

    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    /// Datasets in the order in which they were made.
    package func list(
        of gateway: GatewayID, in account: AccountID, _ selection: Selection, page: PageRequest
    ) async throws -> Page<Dataset> {
        var rows = GatewayRows("datasets", of: gateway, in: account)
        rows.keep(where: "name", contains: selection.name)
        rows.keep(where: "enable", is: selection.isEnabled)
        rows.keep(where: "(id || ' ' || name || ' ' || filters::text)", contains: selection.search)
        let (page, total) = (rows.query(page), rows.counting)
        return try await pool.transaction(.snapshot) { transaction in
            Page(
                items: try await transaction.query(page).map { (row) throws(PostgresError) in try Dataset(row) },
                total: try await transaction.query(total).first?.int("total") ?? 0
            )
        }
    }

    package func find(
        _ id: String, of gateway: GatewayID, in account: AccountID
    ) async throws(PostgresError) -> Dataset? {
        try await pool.query(
            "SELECT * FROM datasets WHERE account_id = $1 AND gateway_id = $2 AND id = $3",
            [.text(account.rawValue), .text(gateway.rawValue), .text(id)]
        ).first.map { (row) throws(PostgresError) in try Dataset(row) }
    }

    /// Makes a dataset.
    ///
    /// - Throws: a unique violation when the name is taken, a foreign key violation when there is no such gateway.
    package func insert(
        _ content: DatasetContent, of gateway: GatewayID, in account: AccountID
    ) async throws(PostgresError) -> Dataset? {
        try await pool.change(
            """
            INSERT INTO datasets (account_id, gateway_id, name, enable, filters) VALUES ($1, $2, $3, $4, $5) RETURNING *
            """,
            [
                .text(account.rawValue), .text(gateway.rawValue), .text(content.name), .bool(content.isEnabled),
                .json(content.filters),
            ]
        ).first.map { (row) throws(PostgresError) in try Dataset(row) }
    }

    /// Replaces what a dataset says; nil when there is none.
    ///
    /// - Throws: a unique violation when the name is taken.
    package func update(
        _ id: String, of gateway: GatewayID, in account: AccountID, _ content: DatasetContent
    ) async throws(PostgresError) -> Dataset? {
        try await pool.change(
            """
            UPDATE datasets SET name = $4, enable = $5, filters = $6, modified_at = now()
            WHERE account_id = $1 AND gateway_id = $2 AND id = $3 RETURNING *
            """,
            [
                .text(account.rawValue), .text(gateway.rawValue), .text(id), .text(content.name),
                .bool(content.isEnabled), .json(content.filters),
            ]
        ).first.map { (row) throws(PostgresError) in try Dataset(row) }
    }

    /// Removes a dataset; nil when there is none.
    ///
    /// Evaluations of it stay.
    package func delete(
        _ id: String, of gateway: GatewayID, in account: AccountID
    ) async throws(PostgresError) -> Dataset? {
        try await pool.change(
            "DELETE FROM datasets WHERE account_id = $1 AND gateway_id = $2 AND id = $3 RETURNING *",
            [.text(account.rawValue), .text(gateway.rawValue), .text(id)]
        ).first.map { (row) throws(PostgresError) in try Dataset(row) }
    }
}
