import GatewayCore
import PostgresStore

/// One dataset field of a query: what to ask the store, and how to put its answer.
struct AnalyticsQuestion: Sendable {
    let dataset: AnalyticsDataset
    private(set) var query: UsageQuery
    private let node: GraphQLNode

    init(_ dataset: AnalyticsDataset, _ node: GraphQLNode, _ account: AccountID, now: Instant) throws(GraphQLProblem) {
        self.dataset = dataset
        self.node = node
        query = UsageQuery(account: account)
        try node.allowArguments(["limit", "filter", "orderBy"])
        try checkFields()
        if let limit = node.argument("limit") {
            guard let number = limit.integer, (1...AnalyticsDataset.maximumLimit).contains(number) else {
                throw node.problem("limit must be from 1 to \(AnalyticsDataset.maximumLimit)")
            }
            query.limit = number
        }
        var dimensions: [UsageQuery.Dimension] = []
        for child in node.children where child.name == "dimensions" {
            for field in child.children where field.name != "__typename" {
                guard let dimension = dataset.dimension(field.name) else { continue }
                if !dimensions.contains(dimension) { dimensions.append(dimension) }
            }
        }
        query.dimensions = dimensions
        query.errorsOnly = dataset == .errors
        var filter = AnalyticsFilter(dataset, node)
        query.condition = try filter.condition(node.argument("filter"))
        query.order = try filter.order(node.argument("orderBy"), splitBy: dimensions)
        query.resolution = dimensions.map(\.resolution).reduce(filter.resolution, max)
        if needsQuantiles {
            let named = dimensions + filter.dimensions
            guard query.resolution <= .hour, !named.contains(where: Self.isUnknownToDurations) else {
                throw node.problem("quantiles are kept by hour, gateway, provider, model and cached")
            }
        }
        try bound(now)
    }

    /// Holds questions that many rows answer, those by the minute and for quantiles, to the bounds that `settings` tells.
    private mutating func bound(_ now: Instant) throws(GraphQLProblem) {
        guard dataset != .size, query.resolution == .minute || needsQuantiles else { return }
        // A day of grace for dashboards that ask for "62 days" to the minute, and cut where the day does.
        let grace: Int64 = 86_400
        let day: Int64 = 86_400_000_000
        let latest = min(query.condition.latest ?? now, now)
        guard let earliest = query.condition.earliest else {
            // Without a beginning, as far back as a question may reach; from the start of a day, which all roll-ups know.
            let microseconds = latest.microseconds - Int64(AnalyticsDataset.maximumDuration) * 1_000_000
            let start = Instant(microseconds: microseconds / day * day)
            query.condition = .all([query.condition, .compare(.datetime, .greaterOrEqual, [.instant(start)])])
            return
        }
        if query.resolution == .minute {
            guard (now.milliseconds - earliest.milliseconds) / 1000 <= Int64(AnalyticsDataset.notOlderThan) + grace
            else {
                throw node.problem(
                    "Minutes are kept for 62 days; ask for datetimeHour or date, which are kept for ever")
            }
        }
        let span = (latest.milliseconds - earliest.milliseconds) / 1000
        guard span <= Int64(AnalyticsDataset.maximumDuration) + grace else {
            throw node.problem(
                "A question by the minute, or for quantiles, may span 32 days; ask for datetimeHour or date without them"
            )
        }
    }

    private static func isUnknownToDurations(_ dimension: UsageQuery.Dimension) -> Bool {
        switch dimension {
        case .keyAlias, .statusCode, .error, .rateLimited: true
        default: false
        }
    }

    /// Whether quantiles are among what is asked for.
    var needsQuantiles: Bool { node.children.contains { $0.name == "quantiles" } }

    /// Refuses every field that does not exist, and every split that is kept nowhere.
    private func checkFields() throws(GraphQLProblem) {
        guard !node.children.isEmpty else { throw node.problem("Field \"\(node.name)\" needs a selection of fields") }
        var count = 0
        for child in node.children {
            try child.allowArguments([])
            switch child.name {
            case "count" where dataset != .size, "__typename":
                guard child.children.isEmpty else { throw child.problem("\"\(child.name)\" has no fields") }
                count += 1
            case "dimensions": count += try check(child, among: dataset.dimensions)
            default:
                guard let metric = dataset.metrics.first(where: { $0.name == child.name }) else {
                    let known = (dataset == .size ? [] : ["count"]) + ["dimensions"] + dataset.metrics.map(\.name)
                    throw child.problem(
                        "Unknown field \"\(child.name)\" on \(dataset.rawValue); there are \(known.joined(separator: ", "))"
                    )
                }
                count += try check(child, among: metric.fields)
            }
        }
        guard count <= AnalyticsDataset.maximumFields else {
            throw node.problem("A dataset may be asked for \(AnalyticsDataset.maximumFields) fields")
        }
    }

    private func check(_ node: GraphQLNode, among known: [String]) throws(GraphQLProblem) -> Int {
        guard !node.children.isEmpty else { throw node.problem("Field \"\(node.name)\" needs a selection of fields") }
        for child in node.children where child.name != "__typename" {
            try child.allowArguments([])
            guard known.contains(child.name), child.children.isEmpty else {
                throw child.problem(
                    "Unknown field \"\(child.name)\" on \(node.name) of \(dataset.rawValue); there are \(known.joined(separator: ", "))"
                )
            }
        }
        return node.children.count
    }

    /// One row of the answer.
    func row(_ group: UsageGroup, _ quantiles: UsageQuantiles?) -> JSONValue {
        document { child in
            switch child.name {
            case "count": return Self.number(group.measures[.count])
            case "sum":
                return Self.object(child) {
                    Self.number(UsageQuery.Measure(rawValue: $0.name).flatMap { group.measures[$0] })
                }
            case "avg": return Self.object(child) { _ in 1 }
            case "quantiles":
                return Self.object(child) { field in
                    let place = DurationQuantile.allCases.firstIndex { $0.rawValue == field.name }
                    guard let place, let milliseconds = quantiles?.milliseconds[place] else { return .null }
                    return .number("\(milliseconds)")
                }
            default:
                return Self.object(child) { field in
                    guard let dimension = dataset.dimension(field.name),
                        let place = query.dimensions.firstIndex(of: dimension)
                    else { return .null }
                    return Self.value(group.values[place], of: dimension)
                }
            }
        }
    }

    /// The rows of the dataset of sizes, all of the present moment.
    func sizes(_ sizes: [GatewayLogSize]) -> JSONValue {
        .array(
            sizes.map { size in
                document { child in
                    switch child.name {
                    case "max": return Self.object(child) { _ in JSONValue(size.rows) }
                    case "avg": return Self.object(child) { _ in 1 }
                    default:
                        return Self.object(child) { field in
                            guard let dimension = dataset.dimension(field.name),
                                let place = query.dimensions.firstIndex(of: dimension)
                            else { return JSONValue(size.limit) }
                            return Self.value(size.values[place], of: dimension)
                        }
                    }
                }
            })
    }

    private func document(_ value: (GraphQLNode) -> JSONValue) -> JSONValue {
        .object(
            node.children.map { child in
                .init(child.responseName, child.name == "__typename" ? .string(dataset.typeName) : value(child))
            })
    }

    private static func object(_ node: GraphQLNode, _ value: (GraphQLNode) -> JSONValue) -> JSONValue {
        .object(node.children.map { .init($0.responseName, $0.name == "__typename" ? .string(node.name) : value($0)) })
    }

    private static func number(_ text: String?) -> JSONValue { .number(text ?? "0") }

    /// A time of PostgreSQL, `2026-01-31 14:05:00+00`, becomes `2026-01-31T14:05:00Z`.
    private static func value(_ text: String, of dimension: UsageQuery.Dimension) -> JSONValue {
        switch dimension.kind {
        case .text: .string(text)
        case .number, .flag: .number(text)
        case .date: .string(String(text.prefix(10)))
        case .time: .string(text.prefix(10) + "T" + text.dropFirst(11).prefix(8) + "Z")
        }
    }
}
