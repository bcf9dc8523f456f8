import GatewayCore

/// A selection of log rows whose pages are found by way of `log_counts`, without reading the rows before them.
///
/// The counts say how many rows each hour holds of each combination of what lists are ordered by. From them follow the
/// total and the few hours in which a page lies; only those are read from `logs`. Hours that the selection cuts are
/// counted in `logs` itself, so totals and pages are exact.
struct CountedLogQuery {
    /// Without conditions on `created_at`, which are in `span`.
    private let query: LogQuery
    private let span: LogSpan

    /// Nil for a selection or an order that needs more than the counts tell.
    init?(_ query: LogQuery) {
        guard query.search?.isEmpty ?? true, query.anyOf == nil else { return nil }
        switch query.order {
        case .createdAt, .provider, .model, .modelType, .success, .cached: break
        case .cost, .tokensIn, .tokensOut, .duration, .feedback: return nil
        }
        let times = query.conditions.filter { $0.key == .createdAt }
        let others = query.conditions.filter { $0.key != .createdAt }
        for condition in others {
            switch condition.key {
            case .provider, .model, .modelType, .success, .cached: continue
            default: return nil
            }
        }
        guard let span = LogSpan(times) else { return nil }
        self.span = span
        var query = query
        query.conditions = others
        self.query = query
    }

    /// The rows of one page in their order, and how many rows the selection has.
    func page(
        _ page: PageRequest, columns: StaticString, in transaction: PostgresTransaction
    ) async throws(PostgresError) -> Page<LogEntry> {
        let stale = try await Self.staleHours(in: transaction)
        let offset = page.offset
        let end = offset > Int.max - page.size ? Int.max : offset + page.size
        let found = try await transaction.query(cells(from: offset, to: end, without: stale))
        let total = try found.first?.int("total") ?? 0
        var hours: [Int] = []
        var values: [String] = []
        var before = 0
        for cell in found {
            guard let hour = try cell.instantOrNil("hour") else { continue }
            if hours.isEmpty { before = try cell.int("before") }
            hours.append(Int(hour.microseconds / 1_000_000))
            values.append(try cell.text("value"))
        }
        guard !hours.isEmpty else { return Page(items: [], total: total) }
        var sql = PostgresQuery(columns)
        sql.append(rows(hours: hours, values: values, skipping: offset - before, page.size))
        let items = try await transaction.query(sql).map { (row) throws(PostgresError) in try LogEntry(row) }
        return Page(items: items, total: total)
    }

    /// How many rows the selection has.
    func total(in transaction: PostgresTransaction) async throws(PostgresError) -> Int {
        let stale = try await Self.staleHours(in: transaction)
        return try await transaction.query(cells(from: 0, to: 0, without: stale)).first?.int("total") ?? 0
    }

    /// Hours whose counts are those of a month that was dropped a moment ago.
    private static func staleHours(in transaction: PostgresTransaction) async throws(PostgresError) -> [Range<Instant>]
    {
        try await transaction.query("SELECT hour, ending FROM log_recounts").map { (row) throws(PostgresError) in
            let hour = try row.instant("hour")
            return hour..<max(hour, try row.instant("ending"))
        }
    }

    /// The cells of value and hour in which the rows `from..<to` lie, with the number of rows before each.
    private func cells(from: Int, to: Int, without stale: [Range<Instant>]) -> PostgresQuery {
        var sql = PostgresQuery("WITH cells AS MATERIALIZED (SELECT ")
        sql.append(value)
        sql.append(" AS value, l.hour, sum(l.rows) AS rows FROM log_counts l WHERE ")
        sql.append(query.restriction)
        let whole = span.wholeHours
        if let from = whole.from {
            sql.append(" AND l.hour >= ", value: .instant(Instant(microseconds: from)))
        }
        if let to = whole.to {
            sql.append(" AND l.hour < ", value: .instant(Instant(microseconds: to)))
        }
        for hours in stale {
            sql.append(" AND NOT (l.hour >= ", value: .instant(hours.lowerBound))
            sql.append(" AND l.hour < ", value: .instant(hours.upperBound), ")")
        }
        sql.append(" GROUP BY 1, 2 HAVING sum(l.rows) > 0")
        for edge in span.edges {
            sql.append(" UNION ALL SELECT ")
            sql.append(value)
            sql.append(" AS value, ", value: .instant(Instant(microseconds: LogSpan.rounded(edge.lowerBound))))
            sql.append(" AS hour, count(*) AS rows FROM logs l WHERE ")
            sql.append(query.restriction)
            sql.append(" AND l.created_at >= ", value: .instant(Instant(microseconds: edge.lowerBound)))
            sql.append(" AND l.created_at < ", value: .instant(Instant(microseconds: edge.upperBound)))
            sql.append(" GROUP BY 1")
        }
        sql.append("), placed AS (SELECT value, hour, rows, sum(rows) OVER (ORDER BY ")
        sql.append(query.direction == .asc ? "value ASC, hour ASC" : "value DESC, hour DESC")
        sql.append(
            """
            ) - rows AS before FROM cells)
            SELECT t.total, p.value, p.hour, p.before::bigint AS before
            FROM (SELECT coalesce(sum(rows), 0)::bigint AS total FROM cells) t
            LEFT JOIN placed p ON p.before <
            """
        )
        sql.append(" ", value: .int(to), " AND p.before + p.rows > ")
        sql.append(value: .int(from))
        sql.append(" ORDER BY p.before")
        return sql
    }

    /// The rows of a page, out of its cells: first their keys, then the whole rows.
    private func rows(hours: [Int], values: [String], skipping: Int, _ size: Int) -> PostgresFragment {
        let isAscending = query.direction == .asc
        var sql = PostgresFragment(
            """
             FROM (
                SELECT k.id, k.created_at, w.place FROM unnest(
            """
        )
        sql.append(value: .ints(hours))
        sql.append(", ")
        sql.append(value: .texts(values))
        sql.append(
            """
            ) WITH ORDINALITY AS w(second, value, place)
                CROSS JOIN LATERAL (
                    SELECT l.id, l.created_at FROM logs l WHERE l.created_at >= to_timestamp(w.second)
                        AND l.created_at < to_timestamp(w.second + 3600) AND
            """
        )
        sql.append(" ")
        sql.append(query.restriction)
        if let start = span.start {
            sql.append(" AND l.created_at >= ")
            sql.append(value: .instant(Instant(microseconds: start)))
        }
        if let end = span.end {
            sql.append(" AND l.created_at < ")
            sql.append(value: .instant(Instant(microseconds: end)))
        }
        if query.order != .createdAt {
            sql.append(" AND ")
            sql.append(value)
            sql.append(" = w.value")
        }
        sql.append(isAscending ? " ORDER BY l.created_at ASC, l.id ASC" : " ORDER BY l.created_at DESC, l.id DESC")
        sql.append(" LIMIT ")
        let (most, overflow) = skipping.addingReportingOverflow(size)
        sql.append(value: .int(overflow ? Int.max : most))
        sql.append(") k ORDER BY w.place, ")
        sql.append(isAscending ? "k.created_at ASC, k.id ASC" : "k.created_at DESC, k.id DESC")
        sql.append(" LIMIT ")
        sql.append(value: .int(size))
        sql.append(" OFFSET ")
        sql.append(value: .int(skipping))
        sql.append(") k JOIN logs l ON l.id = k.id AND l.created_at = k.created_at ORDER BY k.place, ")
        sql.append(isAscending ? "l.created_at ASC, l.id ASC" : "l.created_at DESC, l.id DESC")
        return sql
    }

    /// What rows are ordered by before their time: text that no null is, and that sorts nulls first.
    private var value: PostgresFragment {
        switch query.order {
        case .provider: PostgresFragment("('v' || l.provider)")
        case .model: PostgresFragment("('v' || l.model)")
        case .modelType: PostgresFragment("coalesce('v' || l.model_type, 'n')")
        case .success: PostgresFragment("('v' || l.success::text)")
        case .cached: PostgresFragment("('v' || l.cached::text)")
        case .createdAt, .cost, .tokensIn, .tokensOut, .duration, .feedback: PostgresFragment("'v'::text")
        }
    }
}
