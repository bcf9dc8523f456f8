package import GatewayCore

/// The evaluations of gateways, and what can be measured.
package struct EvaluationRepository: Sendable {
    /// Which evaluations a list shows.
    package struct Selection: Sendable, Equatable {
        /// A part of the name.
        package var name: String?
        package var isProcessed: Bool?
        /// A part of id or name.
        package var search: String?

        package init() {}
    }

    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    /// All that can be measured, by `order` and name.
    package func types(_ direction: LogQuery.Direction) async throws(PostgresError) -> [EvaluationType] {
        var sql = PostgresQuery("SELECT * FROM evaluation_types ORDER BY mandatory ")
        sql.append(direction == .asc ? "ASC, id ASC" : "DESC, id ASC")
        return try await pool.query(sql).map { (row) throws(PostgresError) in try EvaluationType(row) }
    }

    /// Evaluations in the order in which they were made.
    package func list(
        of gateway: GatewayID, in account: AccountID, _ selection: Selection, page: PageRequest
    ) async throws -> Page<Evaluation> {
        var rows = GatewayRows("evaluations", of: gateway, in: account)
        rows.keep(where: "name", contains: selection.name)
        rows.keep(where: "processed", is: selection.isProcessed)
        rows.keep(where: "(id || ' ' || name)", contains: selection.search)
        let (page, total) = (rows.query(page), rows.counting)
        return try await pool.transaction(.snapshot) { transaction in
            Page(
                items: try await transaction.evaluations(transaction.query(page)),
                total: try await transaction.query(total).first?.int("total") ?? 0
            )
        }
    }

    package func find(_ id: String, of gateway: GatewayID, in account: AccountID) async throws -> Evaluation? {
        try await pool.transaction(.snapshot) { transaction in
            try await transaction.evaluations(
                transaction.query(
                    "SELECT * FROM evaluations WHERE account_id = $1 AND gateway_id = $2 AND id = $3",
                    [.text(account.rawValue), .text(gateway.rawValue), .text(id)]
                )
            ).first
        }
    }

    /// Asks for an evaluation, which is carried out later.
    ///
    /// - Throws: a unique violation when the name is taken, a foreign key violation when there is no such gateway.
    package func insert(
        _ name: String, datasets: String, types: [String], of gateway: GatewayID, in account: AccountID
    ) async throws -> Evaluation? {
        try await pool.transaction { transaction in
            let made = try await transaction.query(
                "INSERT INTO evaluations (account_id, gateway_id, name, datasets) VALUES ($1, $2, $3, $4) RETURNING *",
                [.text(account.rawValue), .text(gateway.rawValue), .text(name), .json(datasets)]
            )
            guard let id = try made.first?.text("id") else { return nil }
            _ = try await transaction.query(
                """
                INSERT INTO evaluation_results (evaluation_id, evaluation_type_id, position)
                SELECT $1, type, place FROM unnest($2::text[]) WITH ORDINALITY AS t(type, place)
                """,
                [.text(id), .texts(types)]
            )
            return try await transaction.evaluations(made).first
        }
    }

    /// Removes an evaluation; nil when there is none.
    package func delete(_ id: String, of gateway: GatewayID, in account: AccountID) async throws -> Evaluation? {
        try await pool.transaction { transaction in
            let found = try await transaction.evaluations(
                transaction.query(
                    "SELECT * FROM evaluations WHERE account_id = $1 AND gateway_id = $2 AND id = $3 FOR UPDATE",
                    [.text(account.rawValue), .text(gateway.rawValue), .text(id)]
                )
            )
            guard let evaluation = found.first else { return nil }
            _ = try await transaction.query("DELETE FROM evaluations WHERE id = $1", [.text(id)])
            return evaluation
        }
    }
}

extension PostgresTransaction {
    /// Rows of `evaluations` with their results.
    fileprivate func evaluations(_ rows: PostgresRows) async throws(PostgresError) -> [Evaluation] {
        let ids = try rows.map { (row) throws(PostgresError) in try row.text("id") }
        if ids.isEmpty { return [] }
        let results = try await query(
            "SELECT * FROM evaluation_results WHERE evaluation_id = ANY ($1) ORDER BY evaluation_id, position",
            [.texts(ids)]
        ).map { (row) throws(PostgresError) in try EvaluationResult(row) }
        let byEvaluation = Dictionary(grouping: results, by: \.evaluation)
        return try zip(rows, ids).map { (entry) throws(PostgresError) in
            try Evaluation(entry.0, results: byEvaluation[entry.1] ?? [])
        }
    }
}
