import GatewayCore
import NIOCore

/// Stores settled records, each exactly once, however often it is handed in, and no more than a gateway's log may take.
///
/// What a log does not take is counted in reports.
///
/// A batch is one transaction of binary `COPY`. It goes straight into the tables, which costs the server half of what
/// the way over a staging table does. It takes that way when a row is there already (a batch repeated after a crash), so
/// that known rows are passed over, and when there are rows in the batch that a log does not take, or may not take.
///
/// - Source: control-plane §4.8 · documented.
package struct RecordWriter: Sendable {
    /// Rows that other nodes may be storing at the same moment; only with less room than that a log is locked.
    private static let margin = 20_000

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
    ///
    /// - Parameter settled: ids of records without rows that cannot come again: what kept them from being counted twice
    ///   may go.
    @discardableResult
    package func write(
        _ batch: RecordBatch, forgetting settled: [String] = []
    ) async throws(PostgresError) -> RecordOutcome {
        var outcome = RecordOutcome()
        if batch.logs.count > 0 { outcome = try await store(batch) }
        if batch.unlogged.count > 0 { outcome.counted = try await count(batch.unlogged, forgetting: settled) }
        return outcome
    }

    private func store(_ batch: RecordBatch) async throws(PostgresError) -> RecordOutcome {
        let logs = batch.logs.message
        let bodies = batch.bodies.count > 0 ? batch.bodies.message : nil
        let limited = try await nearlyFull(batch.tallies)
        if limited.isEmpty, batch.excess.isEmpty {
            do throws(PostgresError) {
                return RecordOutcome(stored: try await copy(logs, bodies))
            } catch {
                guard error.isUniqueViolation else { throw error }
            }
        }
        return try await stage(logs, bodies, limited, excess: batch.excess)
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

    private func copy(_ logs: [ByteBuffer], _ bodies: [ByteBuffer]?) async throws(PostgresError) -> Int {
        try await session.begin()
        do throws(PostgresError) {
            // Bodies first: the counts that come with rows are shared with other nodes, and held until the end.
            if let bodies { try await session.copyIn(Self.copyBodies, bodies) }
            let count = try await session.copyIn(Self.copyLogs, logs)
            try await session.commit()
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
        if batch.unlogged.count > 0 { _ = try await count(batch.unlogged, isRehearsal: true) }
        guard batch.logs.count > 0 else { return }
        try await session.begin()
        do throws(PostgresError) {
            if batch.bodies.count > 0 { try await session.copyIn(Self.copyBodies, batch.bodies.message) }
            try await session.copyIn(Self.copyLogs, batch.logs.message)
        } catch {
            await session.rollback()
            throw error
        }
        await session.rollback()
    }

    private func stage(
        _ logs: [ByteBuffer], _ bodies: [ByteBuffer]?, _ limited: [GatewayTally], excess: [String]
    ) async throws(PostgresError) -> RecordOutcome {
        try await session.begin()
        do throws(PostgresError) {
            try await makeStage()
            try await session.copyIn(Self.copyStagedLogs, logs)
            // What was refused once is counted already, and stays refused.
            _ = try await session.query("DELETE FROM staged_logs s USING log_refusals r WHERE r.id = s.id")
            let dropped = excess.isEmpty ? [] : try await drop(excess)
            let refused = limited.isEmpty ? [] : try await refuseSurplus(limited)
            if let bodies {
                _ = try await session.query(
                    """
                    CREATE TEMPORARY TABLE IF NOT EXISTS staged_log_bodies (LIKE log_bodies INCLUDING DEFAULTS)
                    ON COMMIT DELETE ROWS
                    """)
                try await session.copyIn(Self.copyStagedBodies, bodies)
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
            return RecordOutcome(stored: inserted, refused: refused, dropped: dropped)
        } catch {
            await session.rollback()
            throw error
        }
    }

    /// Takes out of the staged rows what exceeds the limits of `limited`, the latest first; known rows stay.
    private func refuseSurplus(_ limited: [GatewayTally]) async throws(PostgresError) -> [GatewayTally] {
        // In one order on all nodes. What the other holders of the locks stored is visible to the next statement.
        _ = try await session.query(
            """
            SELECT pg_advisory_xact_lock(key) FROM (
                SELECT DISTINCT log_limit_lock(account_id, gateway_id) AS key
                FROM unnest($1::text[], $2::text[]) AS b(account_id, gateway_id) ORDER BY 1
            ) keys
            """,
            Self.names(limited)
        )
        try await makeUnlogged()
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
            ), surplus AS (
                DELETE FROM staged_logs s USING places p
                WHERE s.id = p.id AND s.created_at = p.created_at AND p.place > p.room
                RETURNING s.*
            ), fresh AS (
                INSERT INTO log_refusals (id) SELECT id FROM surplus ORDER BY id ON CONFLICT DO NOTHING RETURNING id
            ), counted AS (
                INSERT INTO unlogged_records SELECT s.* FROM surplus s WHERE s.id IN (SELECT id FROM fresh)
            )
            SELECT account_id, gateway_id, count(*) AS records FROM surplus JOIN fresh USING (id) GROUP BY 1, 2
            """,
            Self.names(limited) + [.int(rowLimit)]
        )
        return try Self.tallies(rows)
    }

    /// Takes the named rows out of the staged ones; known rows stay.
    private func drop(_ excess: [String]) async throws(PostgresError) -> [GatewayTally] {
        try await makeUnlogged()
        let rows = try await session.query(
            """
            WITH surplus AS (
                DELETE FROM staged_logs s WHERE s.id = ANY ($1)
                    AND NOT EXISTS (SELECT FROM logs l WHERE l.id = s.id AND l.created_at = s.created_at)
                RETURNING s.*
            ), fresh AS (
                INSERT INTO log_refusals (id) SELECT id FROM surplus ORDER BY id ON CONFLICT DO NOTHING RETURNING id
            ), counted AS (
                INSERT INTO unlogged_records SELECT s.* FROM surplus s WHERE s.id IN (SELECT id FROM fresh)
            )
            SELECT account_id, gateway_id, count(*) AS records FROM surplus JOIN fresh USING (id) GROUP BY 1, 2
            """,
            [.texts(excess)]
        )
        return try Self.tallies(rows)
    }

    private static func tallies(_ rows: PostgresRows) throws(PostgresError) -> [GatewayTally] {
        try rows.map { (row) throws(PostgresError) in
            GatewayTally(
                account: try row.text("account_id"), gateway: try row.text("gateway_id"),
                records: try row.int("records")
            )
        }
    }

    /// Adds records that have no rows to the reports; returns how many were not there yet.
    ///
    /// Their ids are what is kept of them, until their batch cannot come again.
    private func count(
        _ records: CopyRows, forgetting settled: [String] = [], isRehearsal: Bool = false
    ) async throws(PostgresError) -> Int {
        try await session.begin()
        do throws(PostgresError) {
            try await makeStage()
            try await session.copyIn(Self.copyStagedLogs, records.message)
            try await makeUnlogged()
            if !settled.isEmpty {
                _ = try await session.query("DELETE FROM log_refusals WHERE id = ANY ($1)", [.texts(settled)])
            }
            let counted = try await session.query(
                """
                WITH fresh AS (
                    INSERT INTO log_refusals (id) SELECT id FROM staged_logs ORDER BY id ON CONFLICT DO NOTHING RETURNING id
                )
                INSERT INTO unlogged_records
                SELECT DISTINCT ON (s.id) s.* FROM staged_logs s WHERE s.id IN (SELECT id FROM fresh)
                """
            ).affected
            if isRehearsal { await session.rollback() } else { try await session.commit() }
            return counted
        } catch {
            await session.rollback()
            throw error
        }
    }

    private func makeStage() async throws(PostgresError) {
        _ = try await session.query(
            "CREATE TEMPORARY TABLE IF NOT EXISTS staged_logs (LIKE logs INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
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

    private static let copyLogs: StaticString = """
        COPY logs (
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
    private static let copyStagedLogs: StaticString = """
        COPY staged_logs (
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
    private static let copyBodies: StaticString =
        "COPY log_bodies (id, created_at, request, response) FROM STDIN (FORMAT binary)"
    private static let copyStagedBodies: StaticString =
        "COPY staged_log_bodies (id, created_at, request, response) FROM STDIN (FORMAT binary)"
}
