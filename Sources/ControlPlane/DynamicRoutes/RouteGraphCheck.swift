/// Says whether the elements of a dynamic route make a graph that can be run.
///
/// - Source: control-plane §6.2: one start, at least one end, five percentages and `else` documented; that every output
///   of the element's type is there, that targets exist and that nothing runs in circles is assumed, as are the bounds of
///   a model's tries (data-plane §5.6).
enum RouteGraphCheck {
    static let maximumRetries = 5
    private static let operators: Set<String> = [
        "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$not", "$and", "$or",
    ]

    /// - Parameters:
    ///   - elements: checked by `RouteElements`.
    ///   - branches: percentages that one element may have.
    static func canRun(_ elements: [JSONValue], branches: Int) -> Bool {
        var byID: [String: JSONValue] = [:]
        for element in elements {
            guard let id = element["id"]?.text, byID.updateValue(element, forKey: id) == nil else { return false }
        }
        let starts = elements.filter { kind($0) == .start }
        guard starts.count == 1, let start = starts.first?["id"]?.text, elements.contains(where: { kind($0) == .end })
        else { return false }
        for element in elements {
            guard hasItsOutputs(element, branches), hasItsBounds(element),
                targets(of: element).allSatisfy({ byID[$0] != nil })
            else { return false }
            if kind(element) == .conditional {
                guard let conditions = element["properties"]?["conditions"], isCondition(conditions) else {
                    return false
                }
            }
        }
        return isAcyclic(from: start, byID)
    }

    private static func kind(_ element: JSONValue) -> RouteElements.Kind? {
        element["type"]?.text.flatMap(RouteElements.Kind.init(rawValue:))
    }

    private static func targets(of element: JSONValue) -> [String] {
        if kind(element) == .end { return [] }
        return (element["outputs"]?.members ?? []).compactMap { $0.value["elementId"]?.text }
    }

    private static func hasItsOutputs(_ element: JSONValue, _ branches: Int) -> Bool {
        let names = Set((element["outputs"]?.members ?? []).map(\.name))
        switch kind(element) {
        case .start: return names == ["next"]
        case .conditional: return names == ["true", "false"]
        case .rate, .model: return names == ["success", "fallback"]
        case .percentage:
            let shares = names.subtracting(["else"]).map { share($0) }
            let known = shares.compactMap(\.self)
            guard known.count == shares.count, known.count >= 1, known.count <= branches else { return false }
            let sum = known.reduce(0, +)
            return names.contains("else") ? sum <= 100 : sum == 100
        case .end: return true
        case nil: return false
        }
    }

    /// Whether a model is tried a number of times and for a time that can be.
    private static func hasItsBounds(_ element: JSONValue) -> Bool {
        guard kind(element) == .model, let properties = element["properties"] else { return true }
        let retries = properties["retries"]?.integer ?? 0
        let timeout = properties["timeout"]?.integer ?? 1
        return (0...maximumRetries).contains(retries) && timeout > 0
    }

    /// The number in `"12.5%"`; nil for anything else.
    private static func share(_ name: String) -> Double? {
        guard name.hasSuffix("%"), let number = Double(name.dropLast()), number > 0, number <= 100 else { return nil }
        return number
    }

    /// Whether every operator in it is known.
    private static func isCondition(_ value: JSONValue) -> Bool {
        guard let members = value.members else { return true }
        return members.allSatisfy { member in
            switch member.name {
            case "$and", "$or":
                member.value.elements?.allSatisfy { $0.members != nil && isCondition($0) } ?? false
            case "$in", "$nin": member.value.elements != nil
            case "$not": member.value.members != nil && isCondition(member.value)
            default:
                member.name.hasPrefix("$") ? operators.contains(member.name) : isCondition(member.value)
            }
        }
    }

    /// Whether no path from `start` comes back to where it was.
    private static func isAcyclic(from start: String, _ byID: [String: JSONValue]) -> Bool {
        enum Mark { case entered, left }
        var marks: [String: Mark] = [:]
        // A path of its own instead of recursion: how deep a graph is, is up to the caller.
        var path: [(id: String, rest: ArraySlice<String>)] = []
        func enter(_ id: String) {
            marks[id] = .entered
            path.append((id, (byID[id].map { targets(of: $0) } ?? [])[...]))
        }
        enter(start)
        while var top = path.popLast() {
            guard let next = top.rest.popFirst() else {
                marks[top.id] = .left
                continue
            }
            path.append(top)
            switch marks[next] {
            case .entered: return false
            case .left: break
            case nil: enter(next)
            }
        }
        return true
    }
}
