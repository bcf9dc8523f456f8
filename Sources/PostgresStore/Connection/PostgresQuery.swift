/// A statement and its bound values.
///
/// The text comes from literals only; a value can enter it in no other way than as `$n`.
package struct PostgresQuery: Sendable {
    package private(set) var text: String
    package private(set) var values: [PostgresValue]

    package init(_ sql: StaticString, _ values: [PostgresValue] = []) {
        text = Self.string(sql)
        self.values = values
    }

    /// Adds a literal piece of SQL.
    package mutating func append(_ sql: StaticString) { text += Self.string(sql) }

    /// Adds `$n` and binds `value` to it.
    package mutating func append(value: PostgresValue) {
        values.append(value)
        text += "$\(values.count)"
    }

    /// Adds a literal, a bound value, and another literal.
    package mutating func append(_ before: StaticString, value: PostgresValue, _ after: StaticString = "") {
        append(before)
        append(value: value)
        append(after)
    }

    /// Adds a fragment, numbering its values on.
    package mutating func append(_ fragment: PostgresFragment) {
        for part in fragment.parts {
            switch part {
            case .literal(let piece): append(piece)
            case .value(let value): append(value: value)
            }
        }
    }

    static func string(_ sql: StaticString) -> String {
        sql.withUTF8Buffer { unsafe String(decoding: $0, as: UTF8.self) }
    }
}

/// A piece of SQL made of literals and bound values, to be placed into a `PostgresQuery`.
package struct PostgresFragment: Sendable {
    enum Part: Sendable {
        case literal(StaticString)
        case value(PostgresValue)
    }
    var parts: [Part]

    package init() { parts = [] }
    package init(_ sql: StaticString) { parts = [.literal(sql)] }

    package mutating func append(_ sql: StaticString) { parts.append(.literal(sql)) }
    package mutating func append(value: PostgresValue) { parts.append(.value(value)) }
    package mutating func append(_ other: PostgresFragment) { parts += other.parts }
    package var isEmpty: Bool { parts.isEmpty }
}
