/// What clients may ask about the datasets themselves: their bounds, and the fields of their types.
///
/// - Source: control-plane §15.1 · observed: `settings`, and `__type` of the types of sums.
enum AnalyticsSchema {
    /// `settings { aiGatewayRequestsAdaptiveGroups { notOlderThan … } }`.
    static func settings(_ node: GraphQLNode) throws(GraphQLProblem) -> JSONValue {
        try node.allowArguments([])
        var members: [JSONValue.Member] = []
        for child in node.children {
            guard let dataset = AnalyticsDataset(rawValue: child.name) else {
                throw child.problem("Unknown dataset \"\(child.name)\"")
            }
            var facts: [JSONValue.Member] = []
            for fact in child.children { facts.append(.init(fact.responseName, try value(of: fact, dataset))) }
            members.append(.init(child.responseName, .object(facts)))
        }
        guard !members.isEmpty else { throw node.problem("Field \"settings\" needs a selection of fields") }
        return .object(members)
    }

    private static func value(of fact: GraphQLNode, _ dataset: AnalyticsDataset) throws(GraphQLProblem) -> JSONValue {
        switch fact.name {
        case "__typename": return "Settings"
        case "enabled": return true
        case "notOlderThan": return JSONValue(AnalyticsDataset.notOlderThan)
        case "maxDuration": return JSONValue(AnalyticsDataset.maximumDuration)
        case "maxNumberOfFields": return JSONValue(AnalyticsDataset.maximumFields)
        case "maxPageSize": return JSONValue(AnalyticsDataset.maximumLimit)
        case "availableFields":
            let dimensions = dataset.dimensions.map { "dimensions.\($0)" }
            let metrics = dataset.metrics.flatMap { metric in metric.fields.map { "\(metric.name).\($0)" } }
            return .array(((dataset == .size ? [] : ["count"]) + metrics + dimensions).map { .string($0) })
        default: throw fact.problem("Unknown field \"\(fact.name)\" on settings")
        }
    }

    /// `__type(name: "AccountAiGatewayRequestsAdaptiveGroupsSum") { name fields { name } }`; null for other types.
    static func type(_ node: GraphQLNode) throws(GraphQLProblem) -> JSONValue {
        try node.allowArguments(["name"])
        guard let name = node.argument("name")?.text else { throw node.problem("__type needs a name") }
        guard let fields = fields(ofType: name) else { return .null }
        return try describe(node, name: name, kind: "OBJECT", fields: fields)
    }

    private static func describe(
        _ node: GraphQLNode, name: String, kind: String, fields: [String]
    ) throws(GraphQLProblem) -> JSONValue {
        var members: [JSONValue.Member] = []
        for child in node.children {
            switch child.name {
            case "name": members.append(.init(child.responseName, .string(name)))
            case "kind": members.append(.init(child.responseName, .string(kind)))
            case "description": members.append(.init(child.responseName, nil))
            case "__typename": members.append(.init(child.responseName, "__Type"))
            case "fields":
                var entries: [JSONValue] = []
                for field in fields {
                    var entry: [JSONValue.Member] = []
                    for fact in child.children {
                        guard fact.name == "name" || fact.name == "description" else {
                            throw fact.problem("Of a field, only name and description are known")
                        }
                        entry.append(.init(fact.responseName, fact.name == "name" ? .string(field) : nil))
                    }
                    entries.append(.object(entry))
                }
                members.append(.init(child.responseName, .array(entries)))
            default: throw child.problem("Unknown field \"\(child.name)\" on __Type; there are name, kind and fields")
            }
        }
        return .object(members)
    }

    private static func fields(ofType name: String) -> [String]? {
        for dataset in AnalyticsDataset.allCases {
            if name == dataset.typeName {
                return (dataset == .size ? [] : ["count"]) + ["dimensions"] + dataset.metrics.map(\.name)
            }
            if name == dataset.typeName + "Dimensions" { return dataset.dimensions }
            for metric in dataset.metrics
            where name == dataset.typeName + metric.name.prefix(1).uppercased() + metric.name.dropFirst() {
                return metric.fields
            }
        }
        return nil
    }
}
