/// A JSON document as the management API receives, stores and answers it.
///
/// Numbers keep the text they came with, so that no digit is lost to binary floating point; members keep their order.
package enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    /// The literal as it is written in JSON.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([Member])

    package struct Member: Sendable, Equatable {
        package var name: String
        package var value: JSONValue
        package init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// The value of the last member called `name`; nil when there is none or this is no object.
    package subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.name == name }?.value
    }

    package var text: String? {
        if case .string(let text) = self { return text }
        return nil
    }

    package var isNull: Bool { self == .null }

    package var elements: [JSONValue]? {
        if case .array(let elements) = self { return elements }
        return nil
    }

    package var members: [Member]? {
        if case .object(let members) = self { return members }
        return nil
    }

    /// A whole number; `1.0` and `1e3` count as one.
    package var integer: Int? {
        guard case .number(let literal) = self else { return nil }
        if let exact = Int(literal) { return exact }
        guard let value = Double(literal), value == value.rounded(), value.magnitude < 9_007_199_254_740_992 else {
            return nil
        }
        return Int(value)
    }

    package var double: Double? {
        guard case .number(let literal) = self, let value = Double(literal), value.isFinite else { return nil }
        return value
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int) { self = .number(String(value)) }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(elements.map { Member($0.0, $0.1) })
    }
    package init(nilLiteral: ()) { self = .null }

    package init(_ value: Int?) { self = value.map { .number(String($0)) } ?? .null }
    package init(_ value: String?) { self = value.map { .string($0) } ?? .null }
    package init(_ value: Bool?) { self = value.map { .bool($0) } ?? .null }
}
