import PostgresStore

/// Reads the body of a dataset (control-plane.md §5.1 · documented).
enum DatasetDraft {
    /// Keys and operators that datasets know: fewer than the log list.
    static let keys: [LogCondition.Key] = [
        .createdAt, .requestContentType, .responseContentType, .success, .cached, .provider, .model, .cost, .tokens,
        .tokensIn, .tokensOut, .duration, .feedback,
    ]
    static let operations: [LogCondition.Operation] = [.equal, .contains, .less, .greater]
    static let maximumFilters = 50

    static func content(_ body: JSONValue) throws(ControlError) -> DatasetContent {
        var reader = FieldReader(body)
        let name = reader.requiredString("name", lengths: 1...256)
        var isEnabled = true
        reader.bool("enable", .required, into: &isEnabled)
        let filters = filters(&reader)
        try reader.finish()
        return DatasetContent(name: name, isEnabled: isEnabled, filters: filters.encoded)
    }

    private static func filters(_ reader: inout FieldReader) -> JSONValue {
        guard let value = reader.member("filters", .required) else { return [] }
        guard let elements = value.elements else {
            reader.report("filters", "Expected an array")
            return []
        }
        guard elements.count <= maximumFilters else {
            reader.report("filters", "Array must contain at most \(maximumFilters) element(s)")
            return []
        }
        var stored: [JSONValue] = []
        for (index, element) in elements.enumerated() {
            var nested = FieldReader(element, path: ["body", "filters", String(index)])
            stored.append(filter(&nested))
            reader.adopt(nested)
        }
        return .array(stored)
    }

    private static func filter(_ reader: inout FieldReader) -> JSONValue {
        let key = word(&reader, "key", keys.map(\.rawValue))
        let operation = word(&reader, "operator", operations.map(\.rawValue))
        guard let value = reader.member("value", .required) else { return .null }
        let values = value.elements ?? [value]
        if values.count > LogFilter.maximumValues { reader.report("value", "Too many values") }
        for value in values {
            switch value {
            case .string(let text):
                if text.utf8.contains(0) { reader.report("value", "String must not contain a zero character") }
            case .number(let literal):
                if !LogCondition.Value.isStorable(numberLiteral: literal) {
                    reader.report("value", "Number is out of range")
                }
            case .bool: break
            case .null, .array, .object: reader.report("value", "Expected strings, numbers or booleans")
            }
        }
        return ["key": .string(key), "operator": .string(operation), "value": .array(values)]
    }

    private static func word(_ reader: inout FieldReader, _ name: String, _ words: [String]) -> String {
        guard let value = reader.member(name, .required) else { return "" }
        guard let text = value.text, words.contains(text) else {
            let listed = words.map { "'\($0)'" }.joined(separator: " | ")
            reader.report(name, "Invalid enum value. Expected \(listed)")
            return ""
        }
        return text
    }

    /// The conditions of stored filters; values that are none of their key's type match nothing.
    static func conditions(_ filters: JSONValue) -> [LogCondition] {
        (filters.elements ?? []).map { element in
            guard let filter = LogFilter(element), let condition = try? filter.condition(values: .unmatched) else {
                // Unreadable filters select nothing, rather than everything.
                return LogCondition(.id, .equal, [])
            }
            return condition
        }
    }
}
