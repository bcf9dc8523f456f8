import ControlPlane
import PostgresStore

/// Reads which rows a call means, from its query (control-plane.md §4.1, §4.2, §4.7 · documented).
enum LogQueryReader {
    /// The selection of a list call, the older query parameters included.
    static func list(_ call: AdminCall) throws -> LogQuery {
        var query = try selection(call)
        query.conditions += try olderParameters(call.query)
        query.search = try PageQuery.text(call.query, "search")
        query.order = try PageQuery.choice(call.query, "order_by", LogQuery.Order.self) ?? .createdAt
        query.direction =
            try PageQuery.choice(call.query, "order_by_direction", LogQuery.Direction.self)
            ?? PageQuery.choice(call.query, "direction", LogQuery.Direction.self) ?? .desc
        return query
    }

    /// The selection of a delete call: oldest first unless it says otherwise.
    static func deletion(_ call: AdminCall) throws -> LogSelection {
        LogSelection(
            filters: try FilterQuery.read(call.query),
            order: try PageQuery.choice(call.query, "order_by", LogQuery.Order.self) ?? .createdAt,
            direction: try PageQuery.choice(call.query, "order_by_direction", LogQuery.Direction.self) ?? .asc
        )
    }

    /// What a delete call takes in its query; `filters` has more encodings than a description can say.
    ///
    /// - Parameter most: entries that one call may delete.
    static func deletionParameters(most: Int) -> [RouteDescription.Parameter] {
        [
            .init("filters", .string), .init("limit", .integer(1...max(1, most))),
            .init("order_by", .words(LogQuery.Order.allCases.map(\.rawValue))),
            .init("order_by_direction", .words(LogQuery.Direction.allCases.map(\.rawValue))),
        ]
    }

    /// What a list call takes in its query beside its page.
    static var listParameters: [RouteDescription.Parameter] {
        var parameters: [RouteDescription.Parameter] = [
            .init("filters", .string), .init("search", .string), .init("meta_info", .boolean),
            .init("order_by", .words(LogQuery.Order.allCases.map(\.rawValue))),
            .init("order_by_direction", .words(LogQuery.Direction.allCases.map(\.rawValue))),
            .init("direction", .words(LogQuery.Direction.allCases.map(\.rawValue))),
        ]
        for entry in older {
            let schema: Schema =
                switch entry.key.kind {
                case .text: .string
                case .number: .integer(-1...1_000_000)
                case .bool: .boolean
                case .time: .time
                }
            parameters.append(RouteDescription.Parameter(entry.name, schema))
        }
        return parameters
    }

    private static func selection(_ call: AdminCall) throws -> LogQuery {
        LogQuery(
            account: call.account, gateway: call.gateway,
            conditions: try FilterQuery.read(call.query).map { try $0.condition() }
        )
    }

    private static let older: [(name: String, key: LogCondition.Key, operation: LogCondition.Operation)] = [
        ("start_date", .createdAt, .atLeast), ("end_date", .createdAt, .atMost),
        ("min_cost", .cost, .atLeast), ("max_cost", .cost, .atMost),
        ("min_tokens_in", .tokensIn, .atLeast), ("max_tokens_in", .tokensIn, .atMost),
        ("min_tokens_out", .tokensOut, .atLeast), ("max_tokens_out", .tokensOut, .atMost),
        ("min_total_tokens", .tokens, .atLeast), ("max_total_tokens", .tokens, .atMost),
        ("min_duration", .duration, .atLeast), ("max_duration", .duration, .atMost),
        ("success", .success, .equal), ("cached", .cached, .equal), ("feedback", .feedback, .equal),
        ("model", .model, .equal), ("model_type", .modelType, .equal), ("provider", .provider, .equal),
        ("request_content_type", .requestContentType, .equal),
        ("response_content_type", .responseContentType, .equal),
    ]

    private static func olderParameters(_ query: QueryItems) throws(APIProblem) -> [LogCondition] {
        var conditions: [LogCondition] = []
        for entry in older {
            guard let text = query.value(entry.name) else { continue }
            guard let value = LogCondition.Value(.string(text), as: entry.key.kind) else {
                throw .invalid(["query", entry.name], "Invalid value")
            }
            conditions.append(LogCondition(entry.key, entry.operation, [value]))
        }
        return conditions
    }
}
