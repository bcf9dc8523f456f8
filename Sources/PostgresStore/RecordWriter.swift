import GatewayCore
import NIOCore

/// Stores settled records, each exactly once, however often it is handed in, and no more than a gateway's log may take.
///
/// What a log does not take is counted in reports. Of such records, and of those whose log is not kept, the ids are kept
/// until `forget`: nothing else tells that they were counted.
///
/// A batch is one transaction of binary `COPY`. It goes straight into the tables, which costs the server half of what
/// the way over a staging table does. It takes that way when something of it was stored or counted before (a batch
/// repeated after a crash), so that this is passed over, and when a log may not take all rows. What is counted without
/// rows follows in a second transaction (`LogLock` says why); after a death between the two it comes again.
///
/// - Source: control-plane §4.8 · documented.
package struct RecordWriter: Sendable {
    /// Whether records may have been stored, or counted, before.
    package enum Coming: Sendable { case first, perhapsAgain }

    /// Rows that other nodes may be storing at the same moment; only with less room than that a log is locked.
    private static let margin = 20_000
    /// Ids of one statement.
    private static let idsAtOnce = 5000

    private let session: PostgresSession
    private let rowLimit: Int

    /// - Parameters:
    ///   - session: used by nobody else.
    ///   - rowLimit: rows that a gateway's log may hold when it says nothing itself, and at most.
    package init(_ session: PostgresSession, rowLimit: Int = ProductLimits().logRowsPerGateway) {
        self.session = session
        self.rowLimit = rowLimit
    }

    /// Stores a batch; when this returns, all of it is committed.
    @discardableResult
    package func write(
        _ batch: RecordBatch, _ coming: Coming = .perhapsAgain
    ) async throws(PostgresError) -> RecordOutcome {
        var outcome = RecordOutcome()
        var surplus: [String] = []
        if batch.logs.count > 0 { surplus = try await store(batch, coming, &outcome) }
        if batch.unlogged.count > 0 || !surplus.isEmpty {
            try await count(batch, surplus: surplus, coming, .store, &outcome)
            outcome.rowless += batch.unloggedIDs + surplus
        }
        return outcome
    }

    /// Gives up what keeps records without rows from being counted twice.
    ///
    /// - Parameter ids: of records that cannot come again, whatever happens to this process or its machine.
    package func forget(_ ids: [String]) async throws(PostgresError) {
        for start in stride(from: 0, to: ids.count, by: Self.idsAtOnce) {
            let piece = Array(ids[start..<min(start + Self.idsAtOnce, ids.count)])
            _ = try await session.query("DELETE FROM log_refusals WHERE id = ANY ($1)", [.texts(piece)])
        }
    }

    /// Stores the rows of a batch; returns the ids of those that full logs do not take, which are still to be counted.
    private func store(
        _ batch: RecordBatch, _ coming: Coming, _ outcome: inout RecordOutcome
    ) async throws(PostgresError) -> [String] {
        let limited = try await nearlyFull(batch.tallies)
        var isKnown = false
        if coming == .perhapsAgain { isKnown = try await isCounted(oneOf: batch.logIDs) }
        if limited.isEmpty, !isKnown {
            do throws(PostgresError) {
                outcome.stored = try await copy(batch, .store)
                return []
            } catch {
                guard error.isUniqueViolation else { throw error }
            }
        }
        return try await stage(batch, limited, &outcome)
    }

    /// Whether one of these records was counted without a row.
    private func isCounted(oneOf ids: [String]) async throws(PostgresError) -> Bool {
        try await !session.query("SELECT 1 FROM log_refusals WHERE id = ANY ($1) LIMIT 1", [.texts(ids)]).isEmpty
    }

    /// The gateways of a batch whose logs stop at a limit that is near.
    private func nearlyFull(_ tallies: [GatewayTally]) async throws(PostgresError) -> [GatewayTally] {
        // No gateway is called so, and no array can hold it.
        let tallies = tallies.filter { !$0.account.utf8.contains(0) && !$0.gateway.utf8.contains(0) }
        let rows = try await session.query(
            """
            SELECT b.account_id, b.gateway_id FROM unnest($1::text[], $2::text[], $3::bigint[])
                AS b(account_id, gateway_id, records)
            JOIN gateways g ON g.account_id = b.account_id AND g.id = b.gateway_id
            LEFT JOIN log_totals t ON t.account_id = b.account_id AND t.gateway_id = b.gateway_id
            WHERE g.log_management_strategy IS DISTINCT FROM 'DELETE_OLDEST'
                AND coalesce(t.rows, 0) + b.records + $4 > least(coalesce(g.log_management, $5), $5)
            """,
            Self.names(tallies) + [
                .ints(tallies.map(\.records)), .int(Self.margin), .int(rowLimit),
            ]
        )
        return try rows.map { (row) throws(PostgresError) in
            GatewayTally(account: try row.text("account_id"), gateway: try row.text("gateway_id"), records: 0)
        }
    }

    private static func names(_ tallies: [GatewayTally]) -> [PostgresValue] {
        [.texts(tallies.map(\.account)), .texts(tallies.map(\.gateway))]
    }

    /// What becomes of a transaction whose statements succeeded.
    private enum Purpose { case store, rehearsal }

    private func end(_ purpose: Purpose) async throws(PostgresError) {
        switch purpose {
        case .store: try await session.commit()
        case .rehearsal: await session.rollback()
        }
    }

    private func copy(_ batch: RecordBatch, _ purpose: Purpose) async throws(PostgresError) -> Int {
        try await session.begin()
        do throws(PostgresError) {
            try await copyBodies(batch.bodies, into: "log_bodies")
            let count = try await copyLogs(batch.logs, into: "logs")
            try await end(purpose)
            return count
        } catch {
            await session.rollback()
            throw error
        }
    }

    /// Does what storing a batch takes, and undoes it; its records are known to be new.
    ///
    /// - Throws: what would keep them from being stored.
    package func rehearse(_ batch: RecordBatch) async throws(PostgresError) {
        var outcome = RecordOutcome()
        if batch.unlogged.count > 0 { try await count(batch, surplus: [], .first, .rehearsal, &outcome) }
        if batch.logs.count > 0 { _ = try await copy(batch, .rehearsal) }
    }

    /// Stores the rows that are new and have room; returns the ids of those that have none.
    private func stage(
        _ batch: RecordBatch, _ limited: [GatewayTally], _ outcome: inout RecordOutcome
    ) async throws(PostgresError) -> [String] {
        try await makeStage()
        try await makeBodyStage()
        try await session.begin()
        do throws(PostgresError) {
            _ = try await copyLogs(batch.logs, into: "staged_logs")
            // What was counted without a row stays without one.
            let known = try await session.query(
                "DELETE FROM staged_logs s USING log_refusals r WHERE r.id = s.id RETURNING s.id"
            )
            if !limited.isEmpty { try await lock(limited) }
            _ = try await session.query(LogLock.tables)
            let surplus = limited.isEmpty ? [] : try await removeSurplus(limited)
            if batch.bodies.count > 0 {
                try await copyBodies(batch.bodies, into: "staged_log_bodies")
                _ = try await session.query(
                    """
                    INSERT INTO log_bodies SELECT b.* FROM staged_log_bodies b
                    WHERE EXISTS (SELECT FROM staged_logs s WHERE s.id = b.id AND s.created_at = b.created_at)
                    ON CONFLICT DO NOTHING
                    """
                )
            }
            // The row is there, or it is not; in neither case it may change.
            let inserted = try await session.query(
                "INSERT INTO logs SELECT * FROM staged_logs ON CONFLICT DO NOTHING"
            ).affected
            try await session.commit()
            outcome.stored = inserted
            outcome.rowless = try known.map { (row) throws(PostgresError) in try row.text("id") }
            return surplus
        } catch {
            await session.rollback()
            throw error
        }
    }

    /// Keeps other nodes from storing rows of these gateways; what they stored is visible to the next statement.
    private func lock(_ limited: [GatewayTally]) async throws(PostgresError) {
        _ = try await session.query(
            """
            SELECT pg_advisory_xact_lock(key) FROM (
                SELECT DISTINCT log_limit_lock(account_id, gateway_id) AS key
                FROM unnest($1::text[], $2::text[]) AS b(account_id, gateway_id) ORDER BY 1
            ) keys
            """,
            Self.names(limited)
        )
    }

    /// Takes out of the staged rows what exceeds the limits of `limited`, the latest first; known rows stay.
    private func removeSurplus(_ limited: [GatewayTally]) async throws(PostgresError) -> [String] {
        let rows = try await session.query(
            """
            WITH rooms AS MATERIALIZED (
                SELECT b.account_id, b.gateway_id,
                    least(coalesce(g.log_management, $3), $3) - coalesce(t.rows, 0) AS room
                FROM unnest($1::text[], $2::text[]) AS b(account_id, gateway_id)
                JOIN gateways g ON g.account_id = b.account_id AND g.id = b.gateway_id
                LEFT JOIN log_totals t ON t.account_id = b.account_id AND t.gateway_id = b.gateway_id
            ), places AS MATERIALIZED (
                SELECT s.id, s.created_at, r.room,
                    row_number() OVER (PARTITION BY s.account_id, s.gateway_id ORDER BY s.created_at, s.id) AS place
                FROM staged_logs s JOIN rooms r ON r.account_id = s.account_id AND r.gateway_id = s.gateway_id
                WHERE NOT EXISTS (SELECT FROM logs l WHERE l.id = s.id AND l.created_at = s.created_at)
            )
            DELETE FROM staged_logs s USING places p
            WHERE s.id = p.id AND s.created_at = p.created_at AND p.place > p.room
            RETURNING s.id
            """,
            Self.names(limited) + [.int(rowLimit)]
        )
        return try rows.map { (row) throws(PostgresError) in try row.text("id") }
    }

    /// Adds records that have no rows to the reports, unless they are there already, and keeps their ids.
    private func count(
        _ batch: RecordBatch, surplus: [String], _ coming: Coming, _ purpose: Purpose,
        _ outcome: inout RecordOutcome
    ) async throws(PostgresError) {
        try await makeStage()
        try await makeUnlogged()
        try await session.begin()
        do throws(PostgresError) {
            if !surplus.isEmpty {
                _ = try await copyLogs(batch.logs, into: "staged_logs")
                _ = try await session.query(
                    "DELETE FROM staged_logs s WHERE s.id NOT IN (SELECT id FROM unnest($1::text[]) AS u(id))",
                    [.texts(surplus)]
                )
            }
            if batch.unlogged.count > 0 { _ = try await copyLogs(batch.unlogged, into: "staged_logs") }
            if coming == .perhapsAgain, !batch.excess.isEmpty {
                // What has a row is counted with it. Looked up one by one, since a join might read the log.
                _ = try await session.query(
                    """
                    DELETE FROM staged_logs s
                    WHERE (SELECT l.id FROM logs l WHERE l.id = s.id AND l.created_at = s.created_at) IS NOT NULL
                    """
                )
            }
            let rows = try await session.query(
                """
                WITH fresh AS (
                    INSERT INTO log_refusals (id) SELECT DISTINCT id FROM staged_logs ORDER BY id
                    ON CONFLICT DO NOTHING RETURNING id
                ), counted AS (
                    INSERT INTO unlogged_records
                    SELECT DISTINCT ON (s.id) s.* FROM staged_logs s WHERE s.id IN (SELECT id FROM fresh)
                    RETURNING id, account_id, gateway_id
                )
                SELECT CASE WHEN f.id IS NOT NULL THEN 'full' WHEN e.id IS NOT NULL THEN 'fast' ELSE 'unlogged' END
                    AS reason, c.account_id, c.gateway_id, count(*) AS records
                FROM counted c
                LEFT JOIN (SELECT DISTINCT id FROM unnest($1::text[]) AS u(id)) f ON f.id = c.id
                LEFT JOIN (SELECT DISTINCT id FROM unnest($2::text[]) AS u(id)) e ON e.id = c.id
                GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
                """,
                [.texts(surplus), .texts(batch.excess)]
            )
            try await end(purpose)
            for row in rows { try outcome.add(row) }
        } catch {
            await session.rollback()
            throw error
        }
    }

    /// Makes the table of rows on their way; like those below outside of transactions, since it locks what it is like.
    private func makeStage() async throws(PostgresError) {
        _ = try await session.query(
            "CREATE TEMPORARY TABLE IF NOT EXISTS staged_logs (LIKE logs INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
        )
    }

    private func makeBodyStage() async throws(PostgresError) {
        _ = try await session.query(
            """
            CREATE TEMPORARY TABLE IF NOT EXISTS staged_log_bodies (LIKE log_bodies INCLUDING DEFAULTS)
            ON COMMIT DELETE ROWS
            """
        )
    }

    /// Makes the table whose rows are counted in reports and kept nowhere.
    private func makeUnlogged() async throws(PostgresError) {
        let known = try await session.query("SELECT to_regclass('pg_temp.unlogged_records') IS NOT NULL AS known")
        if try known.first?.bool("known") == true { return }
        _ = try await session.query(
            "CREATE TEMPORARY TABLE unlogged_records (LIKE logs INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
        )
        _ = try await session.query(
            """
            CREATE TRIGGER roll_up AFTER INSERT ON unlogged_records REFERENCING NEW TABLE AS settled
            FOR EACH STATEMENT EXECUTE FUNCTION roll_up_usage()
            """
        )
        _ = try await session.query(
            """
            CREATE TRIGGER roll_up_totals AFTER INSERT ON unlogged_records REFERENCING NEW TABLE AS settled
            FOR EACH STATEMENT EXECUTE FUNCTION roll_up_totals()
            """
        )
    }

    /// What a batch's rows and bodies have, in their order.
    private static let logColumns: StaticString = """
        (
            id, created_at, event_id, account_id, gateway_id, provider, model, model_type, path, method, request_type,
            request_content_type, response_content_type, status_code, success, cached, step, retried, duration_us, first_byte_us,
            cost, upstream_cost, custom_cost, metadata, request_size, response_size, request_complete, response_complete, streamed,
            authenticated, token_id, key_alias, user_agent, error_code, feedback, dropped_parameters, trace_id, parent_span_id,
            tokens_in, tokens_out, tokens_cached, tokens_cache_write_5m, tokens_cache_write_1h, tokens_cache_write_12h, tokens_reasoning, tokens_input_audio,
            tokens_output_audio, tokens_cached_audio, tokens_input_image, tokens_output_image, tokens_cached_image,
            tokens_input_video, tokens_output_video, tokens_citation, web_searches, characters, media_milliseconds, images,
            pages, requests, search_units, service_tier, inference_geo, speed
        ) FROM STDIN (FORMAT binary)
        """
    private static let bodyColumns: StaticString = "(id, created_at, request, response) FROM STDIN (FORMAT binary)"

    private func copyLogs(_ rows: CopyRows, into table: StaticString) async throws(PostgresError) -> Int {
        try await copy(rows, "COPY ", table, Self.logColumns)
    }

    private func copyBodies(_ rows: CopyRows, into table: StaticString) async throws(PostgresError) {
        if rows.count > 0 { _ = try await copy(rows, "COPY ", table, Self.bodyColumns) }
    }

    private func copy(_ rows: CopyRows, _ words: StaticString...) async throws(PostgresError) -> Int {
        var statement = PostgresQuery("")
        for word in words {
            statement.append(word)
            statement.append(" ")
        }
        return try await session.copyIn(statement, rows.message)
    }
}

extension RecordOutcome {
    /// Adds a line of what was counted without rows.
    fileprivate mutating func add(_ row: PostgresRow) throws(PostgresError) {
        let tally = GatewayTally(
            account: try row.text("account_id"), gateway: try row.text("gateway_id"), records: try row.int("records"))
        switch try row.text("reason") {
        case "full": refused.append(tally)
        case "fast": dropped.append(tally)
        default: counted += tally.records
        }
    }
}
