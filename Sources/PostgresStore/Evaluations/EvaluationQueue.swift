import GatewayCore

/// The evaluations that wait to be carried out, by any node, each once.
package struct EvaluationQueue: Sendable {
    private let pool: PostgresPool

    /// - Parameter pool: its statements may take as long as reading a whole log does.
    package init(_ pool: PostgresPool) { self.pool = pool }

    /// Carries out the oldest evaluation that no other node is at; false when there is none.
    ///
    /// - Parameters:
    ///   - read: the conditions of each dataset, out of the JSON text that the evaluation keeps.
    ///   - judge: what a kind of measure makes of the averages.
    package func step(
        read: @Sendable (String) -> [[LogCondition]],
        judge: @Sendable (_ kind: String, LogMeasures) -> EvaluationFinding
    ) async throws -> Bool {
        try await pool.transaction { transaction in
            let waiting = try await transaction.query(
                """
                SELECT id, account_id, gateway_id, datasets, created_at FROM evaluations WHERE NOT processed
                ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
                """
            )
            guard let row = waiting.first else { return false }
            let id = try row.text("id")
            var query = LogQuery(
                account: AccountID(try row.text("account_id")), gateway: GatewayID(try row.text("gateway_id")),
                conditions: [LogCondition(.createdAt, .less, [.instant(try row.instant("created_at").next)])]
            )
            query.anyOf = read(try row.text("datasets"))
            let measures = try await transaction.measure(query)
            let results = try await transaction.query(
                """
                SELECT r.id, coalesce(t.type, '') AS kind FROM evaluation_results r
                LEFT JOIN evaluation_types t ON t.id = r.evaluation_type_id WHERE r.evaluation_id = $1
                """,
                [.text(id)]
            )
            for result in results {
                let finding = judge(try result.text("kind"), measures)
                _ = try await transaction.query(
                    """
                    UPDATE evaluation_results SET result = $2, status = $3, status_description = $4, total_logs = $5,
                        modified_at = now() WHERE id = $1
                    """,
                    [
                        .text(try result.text("id")), .text(finding.result), .int(finding.status.rawValue),
                        .text(finding.description), .int(finding.totalLogs),
                    ]
                )
            }
            _ = try await transaction.query(
                "UPDATE evaluations SET processed = true, total_logs = $2, modified_at = now() WHERE id = $1",
                [.text(id), .int(measures.logs)]
            )
            return true
        }
    }
}

extension PostgresTransaction {
    fileprivate func measure(_ query: LogQuery) async throws(PostgresError) -> LogMeasures {
        var sql = PostgresQuery(
            """
            SELECT count(*) AS logs, count(l.cost) AS priced, trim_scale(round(avg(l.cost), 12))::text AS cost,
                trim_scale(round(avg(l.duration_us) / 1000, 3))::text AS duration,
                count(*) FILTER (WHERE l.feedback IN (1, -1)) AS rated,
                trim_scale(round(
                    (count(*) FILTER (WHERE l.feedback = 1))::numeric
                        / nullif(count(*) FILTER (WHERE l.feedback IN (1, -1)), 0), 6))::text AS approval
            """
        )
        sql.append(query.selection)
        guard let row = try await self.query(sql).first else { return LogMeasures(logs: 0) }
        return LogMeasures(
            logs: try row.int("logs"), priced: try row.int("priced"), averageCost: try row.textOrNil("cost"),
            averageDuration: try row.textOrNil("duration"), rated: try row.int("rated"),
            approval: try row.textOrNil("approval")
        )
    }
}
