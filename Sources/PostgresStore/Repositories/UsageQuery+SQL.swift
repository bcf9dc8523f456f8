import GatewayCore

extension UsageQuery {
    /// From FROM to the end of WHERE.
    var selection: PostgresFragment {
        var sql: PostgresFragment =
            switch resolution {
            case .minute: PostgresFragment(needsTotalsOnly ? " FROM usage_minute_totals u" : " FROM usage_minutes u")
            case .hour: PostgresFragment(" FROM usage_hours u")
            case .day: PostgresFragment(" FROM usage_days u")
            }
        sql.append(" WHERE u.account_id = ")
        sql.append(value: .text(account.rawValue))
        if errorsOnly { sql.append(" AND NOT u.success") }
        sql.append(" AND ")
        sql.append(condition.predicate(from: resolution))
        // Without a split there is one group, of nothing when nothing was found; then there shall be none.
        if dimensions.isEmpty { sql.append(" HAVING count(*) > 0") }
        return sql
    }

    /// Whether it names nothing that the totals of minutes do not tell apart.
    private var needsTotalsOnly: Bool {
        (dimensions + condition.dimensions).allSatisfy { $0.isOfTotals }
    }

    /// Groups that are equal in what was asked for come in the order of their dimensions, so that answers repeat.
    var ordering: PostgresFragment {
        var sql = PostgresFragment()
        var remaining = dimensions
        func separate() { sql.append(sql.isEmpty ? " ORDER BY " : ", ") }
        for item in order {
            separate()
            switch item {
            case .dimension(let dimension, let direction):
                remaining.removeAll { $0 == dimension }
                sql.append(dimension.expression(from: resolution))
                sql.append(direction == .asc ? " ASC" : " DESC")
            case .measure(let measure, let direction):
                sql.append(measure.expression)
                sql.append(direction == .asc ? " ASC" : " DESC")
            }
        }
        for dimension in remaining {
            separate()
            sql.append(dimension.expression(from: resolution))
        }
        return sql
    }
}

extension UsageQuery.Dimension {
    /// Whether the roll-up of totals knows it.
    fileprivate var isOfTotals: Bool {
        switch self {
        case .provider, .model, .keyAlias, .statusCode, .rateLimited: false
        case .gateway, .cached, .error, .cacheStatus, .date, .datetime, .datetimeMinute, .datetimeFiveMinutes,
            .datetimeFifteenMinutes, .datetimeHour:
            true
        }
    }

    /// What it is in a row of the roll-up of that resolution.
    func expression(from resolution: UsageQuery.Resolution) -> PostgresFragment {
        switch self {
        case .gateway: PostgresFragment("u.gateway_id")
        case .provider: PostgresFragment("u.provider")
        case .model: PostgresFragment("u.model")
        case .keyAlias: PostgresFragment("u.key_alias")
        case .statusCode: PostgresFragment("u.status_code")
        case .cached: PostgresFragment("u.cached::integer")
        case .error: PostgresFragment("(NOT u.success)::integer")
        case .rateLimited: PostgresFragment("u.rate_limited::integer")
        case .cacheStatus: PostgresFragment("CASE WHEN u.cached THEN 'hit' ELSE 'miss' END")
        case .date: PostgresFragment("date_trunc('day', u.bucket, 'UTC')")
        case .datetimeHour: PostgresFragment("date_trunc('hour', u.bucket, 'UTC')")
        case .datetimeFifteenMinutes: Self.every(.init("900"))
        case .datetimeFiveMinutes: Self.every(.init("300"))
        case .datetime, .datetimeMinute: PostgresFragment("u.bucket")
        }
    }

    private static func every(_ seconds: PostgresFragment) -> PostgresFragment {
        var sql = PostgresFragment("to_timestamp(floor(extract(epoch FROM u.bucket) / ")
        sql.append(seconds)
        sql.append(") * ")
        sql.append(seconds)
        sql.append(")")
        return sql
    }
}

extension UsageQuery.Measure {
    var expression: PostgresFragment {
        switch self {
        case .count: PostgresFragment("sum(u.requests)")
        case .cachedRequests: PostgresFragment("coalesce(sum(u.requests) FILTER (WHERE u.cached), 0)")
        case .erroredRequests: PostgresFragment("coalesce(sum(u.requests) FILTER (WHERE NOT u.success), 0)")
        case .cachedTokensIn: PostgresFragment("coalesce(sum(u.tokens_in) FILTER (WHERE u.cached), 0)")
        case .cachedTokensOut: PostgresFragment("coalesce(sum(u.tokens_out) FILTER (WHERE u.cached), 0)")
        case .uncachedTokensIn: PostgresFragment("coalesce(sum(u.tokens_in) FILTER (WHERE NOT u.cached), 0)")
        case .uncachedTokensOut: PostgresFragment("coalesce(sum(u.tokens_out) FILTER (WHERE NOT u.cached), 0)")
        case .tokensIn: PostgresFragment("sum(u.tokens_in)")
        case .tokensOut: PostgresFragment("sum(u.tokens_out)")
        case .cost: PostgresFragment("trim_scale(sum(u.cost))")
        }
    }

    var column: StaticString {
        switch self {
        case .count: "requests"
        case .cachedRequests: "cached_requests"
        case .erroredRequests: "errored_requests"
        case .cachedTokensIn: "cached_tokens_in"
        case .cachedTokensOut: "cached_tokens_out"
        case .uncachedTokensIn: "uncached_tokens_in"
        case .uncachedTokensOut: "uncached_tokens_out"
        case .tokensIn: "tokens_in"
        case .tokensOut: "tokens_out"
        case .cost: "cost"
        }
    }
}

extension UsageQuery.Condition {
    /// What it says something of.
    fileprivate var dimensions: [UsageQuery.Dimension] {
        switch self {
        case .all(let conditions), .any(let conditions): conditions.flatMap(\.dimensions)
        case .compare(let dimension, _, _): [dimension]
        }
    }

    /// A boolean expression in parentheses.
    func predicate(from resolution: UsageQuery.Resolution) -> PostgresFragment {
        switch self {
        case .all(let conditions): Self.join(conditions, " AND ", none: "true", resolution)
        case .any(let conditions): Self.join(conditions, " OR ", none: "false", resolution)
        case .compare(let dimension, let comparison, let values):
            Self.compare(dimension.expression(from: resolution), comparison, values)
        }
    }

    private static func join(
        _ conditions: [UsageQuery.Condition], _ word: StaticString, none: StaticString,
        _ resolution: UsageQuery.Resolution
    ) -> PostgresFragment {
        if conditions.isEmpty { return PostgresFragment(none) }
        var sql = PostgresFragment("(")
        for (place, condition) in conditions.enumerated() {
            if place > 0 { sql.append(word) }
            sql.append(condition.predicate(from: resolution))
        }
        sql.append(")")
        return sql
    }

    private static func compare(
        _ expression: PostgresFragment, _ comparison: UsageQuery.Comparison, _ values: [UsageQuery.Value]
    ) -> PostgresFragment {
        var sql = PostgresFragment("(")
        let sign: StaticString =
            switch comparison {
            case .equal, .among: " = "
            case .notEqual, .notAmong: " <> "
            case .greater: " > "
            case .greaterOrEqual: " >= "
            case .less: " < "
            case .lessOrEqual: " <= "
            case .like: " LIKE "
            }
        let isEvery = comparison == .notEqual || comparison == .notAmong
        if values.isEmpty { sql.append(isEvery ? "true" : "false") }
        for (place, value) in values.enumerated() {
            if place > 0 { sql.append(isEvery ? " AND " : " OR ") }
            sql.append(expression)
            sql.append(sign)
            switch value {
            case .text(let text): sql.append(value: .text(text))
            case .number(let number): sql.append(value: .int(number))
            case .instant(let instant): sql.append(value: .instant(instant))
            }
        }
        sql.append(")")
        return sql
    }
}
