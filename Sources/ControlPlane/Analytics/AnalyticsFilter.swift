import GatewayCore
import PostgresStore

/// Reads `filter` and `orderBy` of a dataset (control-plane §15.1 · documented: suffixes, `AND`, `OR`).
struct AnalyticsFilter {
    /// Conditions and values beyond this are refused.
    private static let maximumConditions = 500

    let dataset: AnalyticsDataset
    let node: GraphQLNode
    /// The coarsest roll-up that answers what was read so far.
    private(set) var resolution = UsageQuery.Resolution.day
    /// What conditions were read of.
    private(set) var dimensions: [UsageQuery.Dimension] = []
    private var count = 0

    init(_ dataset: AnalyticsDataset, _ node: GraphQLNode) {
        self.dataset = dataset
        self.node = node
    }

    mutating func condition(_ document: JSONValue?) throws(GraphQLProblem) -> UsageQuery.Condition {
        guard let document else { return .all([]) }
        return try condition(document, depth: 0)
    }

    private mutating func condition(_ document: JSONValue, depth: Int) throws(GraphQLProblem) -> UsageQuery.Condition {
        guard let members = document.members else { throw node.problem("filter must be an object") }
        var conditions: [UsageQuery.Condition] = []
        for member in members {
            guard member.name == "AND" || member.name == "OR" else {
                conditions.append(try comparison(member.name, member.value))
                continue
            }
            guard depth < GraphQLDocument.maximumDepth else { throw node.problem("filter is too deep") }
            var parts: [UsageQuery.Condition] = []
            for element in member.value.elements ?? [member.value] {
                parts.append(try condition(element, depth: depth + 1))
            }
            conditions.append(member.name == "AND" ? .all(parts) : .any(parts))
        }
        return .all(conditions)
    }

    private mutating func comparison(_ name: String, _ value: JSONValue) throws(GraphQLProblem) -> UsageQuery.Condition
    {
        // The longest suffix that fits; the empty one always does.
        let operation =
            UsageQuery.Comparison.allCases
            .filter { name.hasSuffix($0.rawValue) }.max { $0.rawValue.utf8.count < $1.rawValue.utf8.count } ?? .equal
        let field = String(name.dropLast(operation.rawValue.count))
        guard let dimension = dataset.dimension(field) else {
            let known = dataset.dimensions.filter { dataset.dimension($0) != nil }
            throw node.problem("Unknown filter \"\(name)\"; known are \(known.joined(separator: ", "))")
        }
        let isList = operation == .among || operation == .notAmong
        guard !isList || value.elements != nil else { throw node.problem("\(name) must be a list") }
        var values: [UsageQuery.Value] = []
        for element in isList ? value.elements ?? [] : [value] {
            values.append(try self.value(element, of: dimension, operation, name))
        }
        count += values.count + 1
        guard count <= Self.maximumConditions else {
            throw node.problem("filter has more than \(Self.maximumConditions) conditions and values")
        }
        dimensions.append(dimension)
        note(dimension, operation, values)
        return .compare(dimension, operation, values)
    }

    private func value(
        _ value: JSONValue, of dimension: UsageQuery.Dimension, _ operation: UsageQuery.Comparison, _ name: String
    ) throws(GraphQLProblem) -> UsageQuery.Value {
        if operation == .like {
            guard dimension.kind == .text, let text = value.text else {
                throw node.problem("\(name) needs a text, and a dimension of text")
            }
            guard text.utf8.reversed().prefix(while: { $0 == UInt8(ascii: "\\") }).count % 2 == 0 else {
                throw node.problem("\(name) ends in an escape character")
            }
            return .text(try plain(text, name))
        }
        switch dimension.kind {
        case .text:
            guard let text = value.text else { throw node.problem("\(name) must be a text") }
            return .text(try plain(text, name))
        case .number:
            guard let number = value.integer, Int32(exactly: number) != nil else {
                throw node.problem("\(name) must be a whole number")
            }
            return .number(number)
        case .flag:
            if case .bool(let flag) = value { return .number(flag ? 1 : 0) }
            guard let number = value.integer, number == 0 || number == 1 else {
                throw node.problem("\(name) must be 0, 1, true or false")
            }
            return .number(number)
        case .date, .time:
            guard let text = value.text, let instant = Timestamp.instant(text),
                (0...4_102_444_800_000).contains(instant.milliseconds)
            else { throw node.problem("\(name) must be a time such as 2026-01-31T00:00:00Z") }
            return .instant(instant)
        }
    }

    private func plain(_ text: String, _ name: String) throws(GraphQLProblem) -> String {
        guard text.utf8.count <= 1024, !text.utf8.contains(0) else { throw node.problem("\(name) is no name") }
        return text
    }

    /// Keeps how fine the roll-up must be.
    private mutating func note(
        _ dimension: UsageQuery.Dimension, _ operation: UsageQuery.Comparison, _ values: [UsageQuery.Value]
    ) {
        for case .instant(let instant) in values {
            resolution = max(resolution, Self.resolution(dimension, operation, instant))
        }
    }

    /// An instant of the clock in `datetime_geq` cuts hours as well as minutes when it is a full hour.
    private static func resolution(
        _ dimension: UsageQuery.Dimension, _ operation: UsageQuery.Comparison, _ instant: Instant
    ) -> UsageQuery.Resolution {
        guard dimension == .datetime || dimension == .datetimeMinute || dimension == .datetimeHour,
            operation == .greaterOrEqual || operation == .less
        else { return dimension.resolution }
        if instant.microseconds % 86_400_000_000 == 0 { return .day }
        return instant.microseconds % 3_600_000_000 == 0 ? .hour : dimension.resolution
    }

    /// Reads `orderBy`: `[datetimeMinute_ASC, count_DESC, sum_cost_DESC]`.
    func order(_ document: JSONValue?, splitBy dimensions: [UsageQuery.Dimension]) throws(GraphQLProblem) -> [UsageQuery
        .Order]
    {
        guard let document else { return [] }
        var order: [UsageQuery.Order] = []
        for element in document.elements ?? [document] {
            guard let text = element.text else { throw node.problem("orderBy must be a list of words") }
            let direction: LogQuery.Direction
            if text.hasSuffix("_ASC") {
                direction = .asc
            } else if text.hasSuffix("_DESC") {
                direction = .desc
            } else {
                throw node.problem("\"\(text)\" in orderBy must end in _ASC or _DESC")
            }
            var name = String(text.dropLast(direction == .asc ? 4 : 5))
            if let dimension = dataset.dimension(name) {
                guard dimensions.contains(dimension) else {
                    throw node.problem("orderBy names \"\(name)\", which is not among the selected dimensions")
                }
                order.append(.dimension(dimension, direction))
                continue
            }
            if name.hasPrefix("sum_") { name = String(name.dropFirst(4)) }
            guard let measure = UsageQuery.Measure(rawValue: name), dataset == .requests || measure == .count,
                dataset != .size
            else {
                throw node.problem("Unknown order \"\(text)\"")
            }
            order.append(.measure(measure, direction))
        }
        guard order.count <= UsageQuery.Dimension.allCases.count else { throw node.problem("orderBy is too long") }
        return order
    }
}
