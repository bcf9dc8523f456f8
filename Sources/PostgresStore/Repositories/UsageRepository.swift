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

    /// How long the requests of `groups` took, which are the answer to the same question.
    ///
    /// The question's dimensions are known to be kept with durations. Groups without durations are missing.
    ///
    /// - Parameter shares: from 0 to 1; of each, the duration that this share of the requests took at most is told.
    package func quantiles(
        _ query: UsageQuery, of groups: [UsageGroup], shares: [Double]
    ) async throws(PostgresError) -> [UsageQuantiles] {
        let columns = query.dimensions.indices.map(Self.name(ofColumn:))
        let rows = try await pool.query(Self.quantileStatement(query, groups, shares, columns))
        var quantiles: [UsageQuantiles] = []
        for row in rows {
            var values: [String] = []
            for column in columns { values.append(try row.text(column.description)) }
            var classes: [Double] = []
            for place in shares.indices {
                classes.append(try row.double(Self.name(ofColumn: place, among: .shares).description))
            }
            quantiles.append(UsageQuantiles(values: values, classes: classes))
        }
        return quantiles
    }

    private static func quantileStatement(
        _ query: UsageQuery, _ groups: [UsageGroup], _ shares: [Double], _ columns: [StaticString]
    ) -> PostgresQuery {
        var list = PostgresFragment()
        for column in columns {
            list.append(column)
            list.append(", ")
        }
        var statement = PostgresQuery("WITH classes AS (SELECT ")
        statement.append(list)
        statement.append("u.class, sum(u.requests) AS requests FROM usage_durations u")
        if !columns.isEmpty {
            // Only what was asked for and found, which bounds the answer.
            statement.append(" JOIN unnest(")
            for place in columns.indices {
                if place > 0 { statement.append(", ") }
                statement.append(value: .texts(groups.map { $0.values[place] }))
                statement.append("::text[]")
            }
            statement.append(") AS g(")
            for (place, column) in columns.enumerated() {
                if place > 0 { statement.append(", ") }
                statement.append(column)
            }
            statement.append(")")
            for (place, dimension) in query.dimensions.enumerated() {
                statement.append(place == 0 ? " ON " : " AND ")
                statement.append(dimension.expression(from: query.resolution))
                statement.append("::text = g.")
                statement.append(columns[place])
            }
        }
        statement.append(" WHERE u.account_id = ", value: .text(query.account.rawValue), " AND ")
        statement.append(query.condition.predicate(from: query.resolution))
        statement.append(" GROUP BY ")
        statement.append(list)
        statement.append("u.class), running AS (SELECT *, sum(requests) OVER (PARTITION BY ")
        statement.append(list)
        statement.append("true ORDER BY class) AS upto, sum(requests) OVER (PARTITION BY ")
        statement.append(list)
        statement.append("true) AS total FROM classes WHERE requests > 0) SELECT ")
        statement.append(list)
        for (place, share) in shares.enumerated() {
            if place > 0 { statement.append(", ") }
            // Within a class requests are taken to lie evenly on the scale of octaves; later classes give no less.
            let wanted = PostgresValue.numeric("\(share)")
            statement.append("min(class + greatest(0, ", value: wanted, " * total - upto + requests) / requests)")
            statement.append(" FILTER (WHERE upto >= ", value: wanted, " * total)::double precision AS ")
            statement.append(Self.name(ofColumn: place, among: .shares))
        }
        statement.append(" FROM running GROUP BY ")
        statement.append(list)
        statement.append("total")
        return statement
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

    private enum ColumnKind { case dimensions, shares }

    private static func name(ofColumn place: Int) -> StaticString { name(ofColumn: place, among: .dimensions) }

    private static func name(ofColumn place: Int, among kind: ColumnKind) -> StaticString {
        if kind == .shares {
            return switch place {
            case 0: "q0"
            case 1: "q1"
            case 2: "q2"
            case 3: "q3"
            default: "q4"
            }
        }
        return switch place {
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
