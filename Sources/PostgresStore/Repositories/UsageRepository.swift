import GatewayCore

/// Answers questions about usage from the roll-ups.
package struct UsageRepository: Sendable {
    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    /// The groups that a question asks for.
    package func groups(_ query: UsageQuery) async throws(PostgresError) -> [UsageGroup] {
        var statement = PostgresQuery("SELECT ")
        for (place, dimension) in query.dimensions.enumerated() {
            statement.append(dimension.expression(from: query.resolution))
            statement.append("::text AS ")
            statement.append(Self.name(ofColumn: place))
            statement.append(", ")
        }
        for (place, measure) in UsageQuery.Measure.allCases.enumerated() {
            if place > 0 { statement.append(", ") }
            statement.append(measure.expression)
            statement.append("::text AS ")
            statement.append(measure.column)
        }
        statement.append(query.selection)
        if !query.dimensions.isEmpty {
            statement.append(" GROUP BY ")
            for (place, dimension) in query.dimensions.enumerated() {
                if place > 0 { statement.append(", ") }
                statement.append(dimension.expression(from: query.resolution))
            }
        }
        statement.append(query.ordering)
        statement.append(" LIMIT ", value: .int(query.limit))
        let rows = try await pool.query(statement)
        var groups: [UsageGroup] = []
        for row in rows {
            var group = UsageGroup(values: [], measures: [:])
            for place in query.dimensions.indices {
                group.values.append(try row.text(Self.name(ofColumn: place).description))
            }
            for measure in UsageQuery.Measure.allCases {
                group.measures[measure] = try row.text(measure.column.description)
            }
            groups.append(group)
        }
        return groups
    }

    /// How long the requests took, in the groups of the same question; its dimensions are known to be kept there.
    package func durations(_ query: UsageQuery) async throws(PostgresError) -> [UsageDurations] {
        var statement = PostgresQuery("SELECT ")
        for (place, dimension) in query.dimensions.enumerated() {
            statement.append(dimension.expression(from: query.resolution))
            statement.append("::text AS ")
            statement.append(Self.name(ofColumn: place))
            statement.append(", ")
        }
        statement.append("u.class, sum(u.requests)::text AS requests FROM usage_durations u WHERE u.account_id = ")
        statement.append(value: .text(query.account.rawValue))
        statement.append(" AND ")
        statement.append(query.condition.predicate(from: query.resolution))
        statement.append(" GROUP BY u.class")
        for dimension in query.dimensions {
            statement.append(", ")
            statement.append(dimension.expression(from: query.resolution))
        }
        let rows = try await pool.query(statement)
        var durations: [UsageDurations] = []
        for row in rows {
            var values: [String] = []
            for place in query.dimensions.indices {
                values.append(try row.text(Self.name(ofColumn: place).description))
            }
            durations.append(
                UsageDurations(values: values, durationClass: try row.int("class"), requests: try row.int("requests")))
        }
        return durations
    }

    /// How long the logs of an account's gateways are now, the longest first unless the question says otherwise.
    ///
    /// Of its dimensions and conditions there may be the gateway and times, which are those of the present.
    package func logSizes(_ query: UsageQuery) async throws(PostgresError) -> [GatewayLogSize] {
        var statement = PostgresQuery("SELECT ")
        for (place, dimension) in query.dimensions.enumerated() {
            statement.append(dimension.expression(from: query.resolution))
            statement.append("::text AS ")
            statement.append(Self.name(ofColumn: place))
            statement.append(", ")
        }
        statement.append(
            """
            u.rows, u.log_management FROM (
                SELECT g.account_id, g.id AS gateway_id, g.log_management, coalesce(t.rows, 0) AS rows,
                    date_trunc('minute', now(), 'UTC') AS bucket
                FROM gateways g LEFT JOIN log_totals t ON t.account_id = g.account_id AND t.gateway_id = g.id
                WHERE g.account_id =
            """
        )
        statement.append(" ", value: .text(query.account.rawValue), ") u WHERE ")
        statement.append(query.condition.predicate(from: query.resolution))
        statement.append(" ORDER BY ")
        for case .dimension(let dimension, let direction) in query.order {
            statement.append(dimension.expression(from: query.resolution))
            statement.append(direction == .asc ? " ASC, " : " DESC, ")
        }
        statement.append("u.rows DESC, u.gateway_id LIMIT ", value: .int(query.limit))
        var sizes: [GatewayLogSize] = []
        for row in try await pool.query(statement) {
            var size = GatewayLogSize(
                values: [], rows: try row.int("rows"), limit: try row.intOrNil("log_management")
            )
            for place in query.dimensions.indices {
                size.values.append(try row.text(Self.name(ofColumn: place).description))
            }
            sizes.append(size)
        }
        return sizes
    }

    private static func name(ofColumn place: Int) -> StaticString {
        switch place {
        case 0: "d0"
        case 1: "d1"
        case 2: "d2"
        case 3: "d3"
        case 4: "d4"
        case 5: "d5"
        case 6: "d6"
        case 7: "d7"
        case 8: "d8"
        case 9: "d9"
        case 10: "d10"
        case 11: "d11"
        case 12: "d12"
        case 13: "d13"
        default: "d14"
        }
    }
}
