package import GatewayCore

/// The logs of gateways, one gateway at a time.
package struct LogRepository: Sendable {
    /// Bytes of a body that the detail of a row shows.
    package static let headLength = 4096

    /// Which of a row's two bodies.
    package enum Side: Sendable { case request, response }

    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    private static let columns: StaticString = """
        SELECT l.id, l.created_at, l.event_id, l.provider, l.model, l.model_type, l.path, l.request_type,
            l.request_content_type, l.response_content_type, l.status_code, l.success, l.cached, l.step, l.duration_us,
            l.first_byte_us, l.cost::text AS cost, l.custom_cost, l.metadata::text AS metadata, l.request_size,
            l.response_size, l.authenticated, l.key_alias, l.user_agent, l.feedback, l.score, l.dropped_parameters, l.tokens_in,
            l.tokens_out, l.tokens_cached, l.tokens_reasoning
        """

    /// One page of a selection, and how many rows it has.
    ///
    /// What `log_counts` can tell comes from it, at any length of the log and as of one instant. Other selections are
    /// searched; what cannot be counted within `patience` is told as a lower bound.
    package func list(
        _ query: LogQuery, page: PageRequest, patience: Duration = .seconds(2)
    ) async throws -> Page<LogEntry> {
        let (query, counted) = try await pool.transaction(.snapshot) { transaction in
            let query = try await Self.visible(query, in: transaction)
            guard let counted = CountedLogQuery(query) else { return (query, Page<LogEntry>?.none) }
            return (query, try await counted.page(page, columns: Self.columns, in: transaction))
        }
        if let counted { return counted }
        var sql = PostgresQuery(Self.columns)
        sql.append(query.selection)
        sql.append(query.ordering)
        sql.append(" LIMIT ", value: .int(page.size), " OFFSET ")
        sql.append(value: .int(page.offset))
        let items = try await pool.query(sql).map { (row) throws(PostgresError) in try LogEntry(row) }
        if let total = try await count(query, within: patience) { return Page(items: items, total: total) }
        var found = Page(items: items, total: items.isEmpty ? 0 : page.offset + items.count)
        found.certainty = .atLeast
        return found
    }

    /// The number of rows of a selection; nil when counting them takes longer than `limit`.
    private func count(_ query: LogQuery, within limit: Duration) async throws -> Int? {
        var sql = PostgresQuery("SELECT count(*) AS total")
        sql.append(query.selection)
        let milliseconds = limit.components.seconds * 1000 + limit.components.attoseconds / 1_000_000_000_000_000
        do {
            return try await pool.transaction(.snapshot) { transaction in
                _ = try await transaction.query(
                    "SELECT set_config('statement_timeout', $1, true)", [.text(String(milliseconds))]
                )
                return try await transaction.query(sql).first?.int("total") ?? 0
            }
        } catch let error as PostgresError where error.isOverTime {
            return nil
        }
    }

    /// Leaves out what a deleted gateway of the same name left behind and is not gone yet.
    private static func visible(
        _ query: LogQuery, in transaction: PostgresTransaction
    ) async throws(PostgresError) -> LogQuery {
        let found = try await transaction.query(
            "SELECT max(cut) AS cut FROM log_deletions WHERE account_id = $1 AND gateway_id = $2 AND selection IS NULL",
            [.text(query.account.rawValue), .text(query.gateway.rawValue)]
        )
        guard let cut = try found.first?.instantOrNil("cut") else { return query }
        var query = query
        query.conditions.append(LogCondition(.createdAt, .atLeast, [.instant(cut.next)]))
        return query
    }

    /// Smallest and largest values over a whole selection.
    package func ranges(_ query: LogQuery) async throws -> LogRanges {
        try await pool.transaction(.snapshot) { transaction in
            try await Self.ranges(Self.visible(query, in: transaction), in: transaction)
        }
    }

    private static func ranges(
        _ query: LogQuery, in transaction: PostgresTransaction
    ) async throws(PostgresError) -> LogRanges {
        var sql = PostgresQuery(
            """
            SELECT min(l.cost)::text AS cost_low, max(l.cost)::text AS cost_high,
                (min(l.duration_us) / 1000)::text AS duration_low, (max(l.duration_us) / 1000)::text AS duration_high,
                min(l.tokens_in)::text AS in_low, max(l.tokens_in)::text AS in_high,
                min(l.tokens_out)::text AS out_low, max(l.tokens_out)::text AS out_high,
                min(coalesce(l.tokens_in + l.tokens_out, l.tokens_in, l.tokens_out))::text AS total_low,
                max(coalesce(l.tokens_in + l.tokens_out, l.tokens_in, l.tokens_out))::text AS total_high
            """
        )
        sql.append(query.selection)
        var ranges = LogRanges()
        guard let row = try await transaction.query(sql).first else { return ranges }
        func range(_ low: String, _ high: String) throws(PostgresError) -> (low: String, high: String)? {
            guard let least = try row.textOrNil(low), let most = try row.textOrNil(high) else { return nil }
            return (least, most)
        }
        ranges.cost = try range("cost_low", "cost_high")
        ranges.durationMilliseconds = try range("duration_low", "duration_high")
        ranges.tokensIn = try range("in_low", "in_high")
        ranges.tokensOut = try range("out_low", "out_high")
        ranges.totalTokens = try range("total_low", "total_high")
        return ranges
    }

    package func find(
        _ id: String, of gateway: GatewayID, in account: AccountID
    ) async throws(PostgresError) -> (LogEntry, LogHeads)? {
        var sql = PostgresQuery(Self.columns)
        sql.append(
            """
            , l.request_complete AND octet_length(b.request) <= 4096 AS request_whole,
            l.response_complete AND octet_length(b.response) <= 4096 AS response_whole,
            substring(b.request FROM 1 FOR 4096) AS request_head, substring(b.response FROM 1 FOR 4096) AS response_head
            FROM logs l LEFT JOIN log_bodies b ON b.id = l.id AND b.created_at = l.created_at WHERE l.account_id =
            """
        )
        sql.append(" ", value: .text(account.rawValue), " AND l.gateway_id = ")
        sql.append(value: .text(gateway.rawValue))
        sql.append(" AND l.id = ", value: .text(id))
        guard let row = try await pool.query(sql).first else { return nil }
        let heads = LogHeads(
            request: try row.bytesOrNil("request_head"), response: try row.bytesOrNil("response_head"),
            requestIsWhole: try row.boolOrNil("request_whole") ?? false,
            responseIsWhole: try row.boolOrNil("response_whole") ?? false
        )
        return (try LogEntry(row), heads)
    }

    /// A stored body; nil when the row is unknown or its payload was not kept.
    package func body(
        _ side: Side, of id: String, gateway: GatewayID, account: AccountID
    ) async throws(PostgresError) -> LogBody? {
        var sql =
            switch side {
            case .request: PostgresQuery("SELECT l.request_content_type AS content_type, b.request AS body")
            case .response: PostgresQuery("SELECT l.response_content_type AS content_type, b.response AS body")
            }
        sql.append(" FROM logs l JOIN log_bodies b ON b.id = l.id AND b.created_at = l.created_at")
        sql.append(" WHERE l.account_id = ", value: .text(account.rawValue))
        sql.append(" AND l.gateway_id = ", value: .text(gateway.rawValue))
        sql.append(" AND l.id = ", value: .text(id))
        guard let row = try await pool.query(sql).first, let bytes = try row.bytesOrNil("body") else { return nil }
        return LogBody(bytes: bytes, contentType: try row.textOrNil("content_type"))
    }

    /// Changes a row; false when there is no such row.
    package func patch(
        _ id: String, of gateway: GatewayID, in account: AccountID, _ patch: LogPatch
    ) async throws(PostgresError) -> Bool {
        var sql = PostgresQuery("UPDATE logs SET feedback = ")
        switch patch.feedback {
        case nil: sql.append("feedback")
        case .clear: sql.append("NULL")
        case .set(let feedback): sql.append(value: .int(feedback))
        }
        sql.append(", score = ")
        switch patch.score {
        case nil: sql.append("score")
        case .clear: sql.append("NULL")
        case .set(let score): sql.append(value: .double(score))
        }
        sql.append(", metadata = ")
        switch patch.metadata {
        case nil: sql.append("metadata")
        case .clear: sql.append("NULL")
        case .set(let text): sql.append(value: .json(text))
        }
        sql.append(" WHERE account_id = ", value: .text(account.rawValue))
        sql.append(" AND gateway_id = ", value: .text(gateway.rawValue))
        sql.append(" AND id = ", value: .text(id), " RETURNING id")
        return try await !pool.query(sql).isEmpty
    }
}

extension PostgresTransaction {
    /// Deletes up to `limit` rows of a selection, in its order, with their bodies; returns how many there were.
    func deleteLogs(_ query: LogQuery, limit: Int) async throws(PostgresError) -> DeletedLogs {
        _ = try await self.query(LogLock.tables)
        var sql = PostgresQuery("WITH doomed AS MATERIALIZED (SELECT l.id, l.created_at")
        sql.append(query.selection)
        sql.append(query.ordering)
        sql.append(" LIMIT ", value: .int(limit))
        sql.append(
            """
            ), gone AS (
                DELETE FROM logs l USING doomed d WHERE l.id = d.id AND l.created_at = d.created_at
                RETURNING l.id, l.created_at
            ), bodies AS (
                DELETE FROM log_bodies b USING gone g WHERE b.id = g.id AND b.created_at = g.created_at
            )
            SELECT (SELECT count(*) FROM doomed) AS selected, (SELECT count(*) FROM gone) AS deleted
            """
        )
        let row = try await self.query(sql)[0]
        return DeletedLogs(selected: try row.int("selected"), deleted: try row.int("deleted"))
    }
}

/// What a piece of a deletion came to.
struct DeletedLogs {
    /// Rows that were found; fewer than the limit when there are no more.
    var selected: Int
    /// Those of them that nobody else deleted at the same time.
    var deleted: Int
}

extension LogEntry {
    init(_ row: PostgresRow) throws(PostgresError) {
        self.init(
            id: try row.text("id"), createdAt: try row.instant("created_at"), eventID: try row.text("event_id"),
            provider: try row.text("provider"), model: try row.text("model"),
            modelType: try row.textOrNil("model_type"), path: try row.text("path"),
            requestType: try row.text("request_type"),
            requestContentType: try row.textOrNil("request_content_type"),
            responseContentType: try row.textOrNil("response_content_type"), status: try row.int("status_code"),
            success: try row.bool("success"), cached: try row.bool("cached"), step: try row.int("step"),
            durationMicroseconds: try row.int("duration_us"),
            firstByteMicroseconds: try row.intOrNil("first_byte_us"), cost: try row.textOrNil("cost"),
            customCost: try row.bool("custom_cost"), metadata: try row.textOrNil("metadata"),
            requestSize: try row.int("request_size"), responseSize: try row.int("response_size"),
            authenticated: try row.bool("authenticated"), keyAlias: try row.textOrNil("key_alias"),
            userAgent: try row.textOrNil("user_agent"), feedback: try row.intOrNil("feedback"),
            score: try row.doubleOrNil("score"), droppedParameters: try row.textOrNil("dropped_parameters"),
            tokensIn: try row.intOrNil("tokens_in"),
            tokensOut: try row.intOrNil("tokens_out"), tokensCached: try row.intOrNil("tokens_cached"),
            tokensReasoning: try row.intOrNil("tokens_reasoning")
        )
    }
}
