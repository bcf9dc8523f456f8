import ControlPlane

/// Reads `filters` from a query, in every encoding that clients use (control-plane.md §1.5).
///
/// - Shape: one JSON string; dotted and repeated (`filters.key=…&filters.operator=…&filters.value=…`, what the SDKs
///   send); bracketed with or without an index (`filters[0][key]=…`). Documented; the pairing rule is assumed.
enum FilterQuery {
    private static let root = ["query", "filters"]
    static let maximumFilters = 50

    private struct Parts {
        var keys: [String] = []
        var operators: [String] = []
        var values: [JSONValue] = []

        mutating func add(_ member: String, _ value: String, path: [String]) throws(APIProblem) {
            switch member {
            case "key": keys.append(value)
            case "operator": operators.append(value)
            case "value": values += try FilterQuery.values(value, path: path)
            default: throw .invalid(path, "Unrecognized member '\(member)'")
            }
        }
    }

    static func read(_ query: QueryItems) throws(APIProblem) -> [LogFilter] {
        var filters: [LogFilter] = []
        var loose = Parts()
        var indexed: [Int: Parts] = [:]
        for item in query.items {
            if item.name == "filters" || item.name == "filters[]" {
                if !item.value.isEmpty { filters += try document(item.value, from: filters.count) }
            } else if item.name.hasPrefix("filters.") {
                try loose.add(member(item.name.dropFirst("filters.".count)), item.value, path: root)
            } else if item.name.hasPrefix("filters[") {
                let names = bracketed(item.name.dropFirst("filters".count))
                if let index = names.first.flatMap({ Int($0) }) {
                    guard (0..<10_000).contains(index) else { throw .invalid(root, "Invalid filter index") }
                    let name = names.dropFirst().first ?? ""
                    try indexed[index, default: Parts()].add(name, item.value, path: root + [String(index)])
                } else {
                    let name = names.first { !$0.isEmpty } ?? ""
                    try loose.add(name, item.value, path: root)
                }
            }
        }
        for (index, parts) in indexed.sorted(by: { $0.key < $1.key }) {
            let path = root + [String(index)]
            guard parts.keys.count == 1, parts.operators.count == 1 else {
                throw .invalid(path, "A filter needs one key and one operator")
            }
            filters.append(
                LogFilter(key: parts.keys[0], operation: parts.operators[0], values: parts.values, path: path)
            )
        }
        filters += try paired(loose, from: filters.count)
        guard filters.count <= maximumFilters else {
            throw .invalid(root, "Array must contain at most \(maximumFilters) element(s)")
        }
        return filters
    }

    /// Ties loose parts together by position: one filter owns every value, n filters own one each.
    private static func paired(_ parts: Parts, from index: Int) throws(APIProblem) -> [LogFilter] {
        guard parts.keys.count == parts.operators.count else {
            throw .invalid(root, "Every filter needs one key and one operator")
        }
        if parts.keys.isEmpty {
            guard parts.values.isEmpty else { throw .invalid(root, "A value without a key") }
            return []
        }
        if parts.keys.count == 1 {
            return [
                LogFilter(
                    key: parts.keys[0], operation: parts.operators[0], values: parts.values,
                    path: root + [String(index)]
                )
            ]
        }
        guard parts.values.count == parts.keys.count else {
            throw .invalid(root, "\(parts.keys.count) filters with \(parts.values.count) values cannot be told apart")
        }
        return parts.keys.indices.map { position in
            LogFilter(
                key: parts.keys[position], operation: parts.operators[position], values: [parts.values[position]],
                path: root + [String(index + position)]
            )
        }
    }

    /// Filters as JSON: an array of objects, or a bare object.
    private static func document(_ text: String, from index: Int) throws(APIProblem) -> [LogFilter] {
        guard let value = try? JSONValue(parsing: text) else { throw .invalid(root, "Invalid JSON") }
        var filters: [LogFilter] = []
        for (offset, element) in (value.elements ?? [value]).enumerated() {
            let path = root + [String(index + offset)]
            guard element.members != nil else { throw .invalid(path, "Expected an object") }
            guard let key = element["key"]?.text else { throw .invalid(path + ["key"], "Required") }
            guard let operation = element["operator"]?.text else { throw .invalid(path + ["operator"], "Required") }
            guard let given = element["value"] else { throw .invalid(path + ["value"], "Required") }
            filters.append(
                LogFilter(key: key, operation: operation, values: given.elements ?? [given], path: path)
            )
        }
        return filters
    }

    /// A value in a flat encoding: a JSON array stands for its elements, anything else for itself.
    private static func values(_ text: String, path: [String]) throws(APIProblem) -> [JSONValue] {
        if text.hasPrefix("["), let elements = (try? JSONValue(parsing: text))?.elements { return elements }
        return [.string(text)]
    }

    /// `value[]` and `value.0` are `value`.
    private static func member(_ name: Substring) -> String {
        String(name.prefix { $0 != "[" && $0 != "." })
    }

    /// `[0][key]` → `0`, `key`.
    private static func bracketed(_ text: Substring) -> [String] {
        text.split(separator: "[", omittingEmptySubsequences: true).map { part in
            String(part.prefix { $0 != "]" })
        }
    }
}
