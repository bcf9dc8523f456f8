import NIOCore

/// Stores settled records, each exactly once, however often it is handed in.
///
/// A batch is one transaction of binary `COPY`. It goes straight into the tables, which costs the server half of what
/// the way over a staging table does; only when a row is there already (a batch repeated after a crash) the batch
/// takes that way and the known rows are passed over.
package struct RecordWriter: Sendable {
    private let session: PostgresSession

    /// - Parameter session: used by nobody else.
    package init(_ session: PostgresSession) { self.session = session }

    /// Stores a batch; when this returns, all of it is committed.
    ///
    /// Returns the number of rows that are new.
    @discardableResult
    package func write(_ batch: RecordBatch) async throws(PostgresError) -> Int {
        if batch.count == 0 { return 0 }
        let logs = batch.logs.message
        let bodies = batch.bodies.count > 0 ? batch.bodies.message : nil
        do throws(PostgresError) {
            return try await copy(logs, bodies)
        } catch {
            guard error.isUniqueViolation else { throw error }
        }
        return try await stage(logs, bodies)
    }

    private func copy(_ logs: [ByteBuffer], _ bodies: [ByteBuffer]?) async throws(PostgresError) -> Int {
        try await session.begin()
        do throws(PostgresError) {
            let count = try await session.copyIn(Self.copyLogs, logs)
            if let bodies { try await session.copyIn(Self.copyBodies, bodies) }
            try await session.commit()
            return count
        } catch {
            await session.rollback()
            throw error
        }
    }

    private func stage(_ logs: [ByteBuffer], _ bodies: [ByteBuffer]?) async throws(PostgresError) -> Int {
        try await session.begin()
        do throws(PostgresError) {
            _ = try await session.query(
                "CREATE TEMPORARY TABLE IF NOT EXISTS staged_logs (LIKE logs INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
            )
            try await session.copyIn(Self.copyStagedLogs, logs)
            // The row is there, or it is not; in neither case it may change.
            let inserted = try await session.query(
                "INSERT INTO logs SELECT * FROM staged_logs ON CONFLICT DO NOTHING"
            ).affected
            if let bodies {
                _ = try await session.query(
                    """
                    CREATE TEMPORARY TABLE IF NOT EXISTS staged_log_bodies (LIKE log_bodies INCLUDING DEFAULTS)
                    ON COMMIT DELETE ROWS
                    """)
                try await session.copyIn(Self.copyStagedBodies, bodies)
                _ = try await session.query(
                    "INSERT INTO log_bodies SELECT * FROM staged_log_bodies ON CONFLICT DO NOTHING"
                )
            }
            try await session.commit()
            return inserted
        } catch {
            await session.rollback()
            throw error
        }
    }

    private static let copyLogs: StaticString = """
        COPY logs (
            id, created_at, event_id, account_id, gateway_id, provider, model, model_type, path, method, request_type,
            request_content_type, response_content_type, status_code, success, cached, step, duration_us, first_byte_us, cost,
            upstream_cost, custom_cost, metadata, request_size, response_size, request_complete, response_complete, streamed,
            authenticated, token_id, key_alias, user_agent, error_code, feedback, tokens_in, tokens_out, tokens_cached,
            tokens_cache_write_5m, tokens_cache_write_1h, tokens_cache_write_12h, tokens_reasoning, tokens_input_audio,
            tokens_output_audio, tokens_cached_audio, tokens_input_image, tokens_output_image, tokens_cached_image,
            tokens_input_video, tokens_output_video, tokens_citation, web_searches, characters, media_milliseconds, images,
            pages, requests, search_units, service_tier, inference_geo, speed
        ) FROM STDIN (FORMAT binary)
        """
    private static let copyStagedLogs: StaticString = """
        COPY staged_logs (
            id, created_at, event_id, account_id, gateway_id, provider, model, model_type, path, method, request_type,
            request_content_type, response_content_type, status_code, success, cached, step, duration_us, first_byte_us, cost,
            upstream_cost, custom_cost, metadata, request_size, response_size, request_complete, response_complete, streamed,
            authenticated, token_id, key_alias, user_agent, error_code, feedback, tokens_in, tokens_out, tokens_cached,
            tokens_cache_write_5m, tokens_cache_write_1h, tokens_cache_write_12h, tokens_reasoning, tokens_input_audio,
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
