import GatewayCore
package import PostgresStore

/// A filter as a client states it, before its values have the types of its key (control-plane.md §4.2).
package struct LogFilter: Sendable, Equatable {
    package var key: String
    package var operation: String
    package var values: [JSONValue]
    /// Where the filter was, for error messages.
    package var path: [String]

    package init(key: String, operation: String, values: [JSONValue], path: [String]) {
        self.key = key
        self.operation = operation
        self.values = values
        self.path = path
    }

    /// More values than this in one filter are refused.
    package static let maximumValues = 1000

    /// What becomes of a value that is none of its key's type.
    package enum Strictness: Sendable {
        case refused
        /// It matches nothing: datasets only store their filters.
        case unmatched
    }

    /// The condition that the filter means.
    package func condition(values strictness: Strictness = .refused) throws(ControlError) -> LogCondition {
        guard let key = LogCondition.Key(rawValue: key) else {
            throw .invalid([FieldProblem(path + ["key"], "Invalid enum value: unknown filter key")])
        }
        let known: [LogCondition.Operation] = [.equal, .notEqual, .contains, .less, .greater]
        guard let operation = known.first(where: { $0.rawValue == operation }) else {
            throw .invalid([
                FieldProblem(
                    path + ["operator"], "Invalid enum value. Expected 'eq' | 'neq' | 'contains' | 'lt' | 'gt'"
                )
            ])
        }
        guard values.count <= Self.maximumValues else {
            throw .invalid([FieldProblem(path + ["value"], "Too many values")])
        }
        var typed: [LogCondition.Value] = []
        for (index, value) in values.enumerated() {
            let kind = operation == .contains ? .text : key.kind
            guard let value = LogCondition.Value(value, as: kind) else {
                if strictness == .unmatched { continue }
                throw .invalid([
                    FieldProblem(path + ["value", String(index)], "Expected \(kind.description)")
                ])
            }
            typed.append(value)
        }
        return LogCondition(key, operation, typed)
    }
}

extension LogCondition.Key.Kind {
    fileprivate var description: String {
        switch self {
        case .text: "string"
        case .number: "number"
        case .bool: "boolean"
        case .time: "date-time"
        }
    }
}

extension LogCondition.Value {
    /// Reads a JSON value, or a text that stands for one, as a value of `kind`; nil when it is none.
    package init?(_ value: JSONValue, as kind: LogCondition.Key.Kind) {
        if value.isNull {
            self = .unset
            return
        }
        switch (kind, value) {
        case (.text, .string(let text)):
            guard !text.utf8.contains(0) else { return nil }
            self = .text(text)
        case (.text, .number(let literal)): self = .text(literal)
        case (.text, .bool(let flag)): self = .text(flag ? "true" : "false")
        case (.number, .number(let literal)): self.init(numberLiteral: literal)
        case (.number, .string(let text)):
            guard case .number(let literal)? = try? JSONValue(parsing: text) else { return nil }
            self.init(numberLiteral: literal)
        case (.bool, .bool(let flag)): self = .bool(flag)
        case (.bool, .string("true")), (.bool, .string("1")), (.bool, .number("1")): self = .bool(true)
        case (.bool, .string("false")), (.bool, .string("0")), (.bool, .number("0")): self = .bool(false)
        case (.time, .string(let text)):
            guard let instant = Timestamp.instant(text) else { return nil }
            self = .instant(instant)
        default: return nil
        }
    }

    /// Nil for numbers that no column can hold.
    private init?(numberLiteral literal: String) {
        guard Self.isStorable(numberLiteral: literal) else { return nil }
        self = .number(literal)
    }

    /// Whether the database can compare something with a JSON number.
    ///
    /// What is too small for a `Double` is 0 there and an error in PostgreSQL, so the exponent is looked at as well.
    static func isStorable(numberLiteral literal: String) -> Bool {
        guard let value = Double(literal), value.magnitude < 1e30, literal.utf8.count <= 64 else { return false }
        let parts = literal.split(maxSplits: 1) { $0 == "e" || $0 == "E" }
        guard parts.count > 1 else { return true }
        return Int(parts[1]).map { $0.magnitude <= 1000 } ?? false
    }
}
