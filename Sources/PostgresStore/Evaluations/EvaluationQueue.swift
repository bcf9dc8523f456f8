import GatewayCore

/// The evaluations that wait to be carried out, by any node, each once.
package struct EvaluationQueue: Sendable {
    private let pool: PostgresPool

    /// - Parameter pool: its statements may take as long as reading a whole log does.
    package init(_ pool: PostgresPool) { self.pool = pool }

    /// What one piece of work came to.
    package enum Step: Sendable, Equatable {
        /// Nothing is to be done now.
        case idle
        case done
        /// Its datasets cannot be applied to any row, or not in any time; it was finished as failed.
        case failed(id: String, reason: String)
        /// It will be tried again later; others may go on.
        case postponed(id: String, reason: String)
    }

    /// After this many attempts an evaluation that takes longer than a statement may is finished as failed.
    private static let patience = 5

    /// Carries out the oldest evaluation that no other node is at and that has not failed lately.
    ///
    /// - Parameters:
    ///   - read: the conditions of each dataset, out of the JSON text that the evaluation keeps.
    ///   - judge: what a kind of measure makes of the averages.
    package func step(
        read: @Sendable (String) -> [[LogCondition]],
        judge: @Sendable (_ kind: String, LogMeasures) -> EvaluationFinding
    ) async throws -> Step {
        var taken: (id: String, attempts: Int)?
        do {
            return try await step(read: read, judge: judge) { taken = ($0, $1) }
        } catch let error as PostgresError {
            guard let (id, attempts) = taken, error.isOfStatement else { throw error }
            if error.isAboutContent {
                return try await fail(id, "a filter of the datasets cannot be applied", error)
            }
            if error.isOverTime, attempts + 1 >= Self.patience {
                return try await fail(id, "the logs of the datasets cannot be read in time", error)
            }
            _ = try await pool.query(
                """
                INSERT INTO evaluation_delays (evaluation_id, attempts, not_before)
                SELECT id, $2, clock_timestamp() + postponement($2::integer) FROM evaluations WHERE id = $1
                ON CONFLICT (evaluation_id)
                    DO UPDATE SET attempts = excluded.attempts, not_before = excluded.not_before
                """, [.text(id), .int(attempts + 1)]
            )
            return .postponed(id: id, reason: error.description)
        }
    }

    private func step(
        read: @Sendable (String) -> [[LogCondition]],
        judge: @Sendable (_ kind: String, LogMeasures) -> EvaluationFinding,
        taking take: (_ id: String, _ attempts: Int) -> Void
    ) async throws -> Step {
        try await pool.transaction { transaction in
            let waiting = try await transaction.query(
                """
                SELECT e.id, e.account_id, e.gateway_id, e.datasets, e.created_at, coalesce(d.attempts, 0) AS attempts
                FROM evaluations e LEFT JOIN evaluation_delays d ON d.evaluation_id = e.id
                WHERE NOT e.processed AND coalesce(d.not_before <= clock_timestamp(), true)
                ORDER BY e.created_at, e.id LIMIT 1 FOR UPDATE OF e SKIP LOCKED
                """
            )
            guard let row = waiting.first else { return .idle }
            let id = try row.text("id")
            take(id, try row.int("attempts"))
            var query = LogQuery(
                account: AccountID(try row.text("account_id")), gateway: GatewayID(try row.text("gateway_id")),
                conditions: [LogCondition(.createdAt, .less, [.instant(try row.instant("created_at").next)])]
            )
            query.anyOf = read(try row.text("datasets"))
            let measures = try await transaction.measure(query)
            try await transaction.finish(id, logs: measures.logs) { judge($0, measures) }
            return .done
        }
    }

    private func fail(_ id: String, _ reason: String, _ error: PostgresError) async throws -> Step {
        try await pool.transaction { transaction in
            // Another node may be at it by now, or have come to an end.
            let open = try await transaction.query(
                "SELECT FROM evaluations WHERE id = $1 AND NOT processed FOR UPDATE SKIP LOCKED", [.text(id)])
            if open.isEmpty { return .done }
            try await transaction.finish(id, logs: 0) { _ in
                EvaluationFinding(result: "", status: .failed, description: reason, totalLogs: 0)
            }
            return .failed(id: id, reason: error.description)
        }
    }
}

extension PostgresTransaction {
    /// Writes down what came of an evaluation's measures, by their kinds.
    fileprivate func finish(
        _ id: String, logs: Int, _ judge: (_ kind: String) -> EvaluationFinding
    ) async throws(PostgresError) {
        let results = try await query(
            """
            SELECT r.id, coalesce(t.type, '') AS kind FROM evaluation_results r
            LEFT JOIN evaluation_types t ON t.id = r.evaluation_type_id WHERE r.evaluation_id = $1
            """,
            [.text(id)]
        )
        for result in results {
            let finding = judge(try result.text("kind"))
            _ = try await query(
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
        _ = try await query(
            "UPDATE evaluations SET processed = true, total_logs = $2, modified_at = now() WHERE id = $1",
            [.text(id), .int(logs)]
        )
        _ = try await query("DELETE FROM evaluation_delays WHERE evaluation_id = $1", [.text(id)])
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
