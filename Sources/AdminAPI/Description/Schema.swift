import ControlPlane

/// A JSON schema of something that the API takes or answers, with the named schemas it refers to.
struct Schema: Sendable {
    private(set) var document: JSONValue
    /// By name, for `#/components/schemas`.
    private(set) var components: [String: JSONValue] = [:]

    private init(_ members: [JSONValue.Member], _ parts: [Schema] = []) {
        document = .object(members)
        for part in parts { components.merge(part.components) { _, last in last } }
    }

    private init(type: String, _ more: [JSONValue.Member] = [], _ parts: [Schema] = []) {
        self.init([.init("type", .string(type))] + more, parts)
    }

    static let anything = Schema([])
    static let boolean = Schema(type: "boolean")
    static let integer = Schema(type: "integer")
    static let number = Schema(type: "number")
    static let string = Schema(type: "string")
    static let object = Schema(type: "object")
    /// An RFC 3339 date-time.
    static let time = Schema(type: "string", [.init("format", "date-time")])

    /// Text of so many characters.
    static func string(_ lengths: ClosedRange<Int>, pattern: String? = nil) -> Schema {
        var members: [JSONValue.Member] = [
            .init("minLength", JSONValue(lengths.lowerBound)), .init("maxLength", JSONValue(lengths.upperBound)),
        ]
        if let pattern { members.append(.init("pattern", .string(pattern))) }
        return Schema(type: "string", members)
    }

    static func integer(_ range: ClosedRange<Int>) -> Schema {
        Schema(
            type: "integer",
            [.init("minimum", JSONValue(range.lowerBound)), .init("maximum", JSONValue(range.upperBound))]
        )
    }

    static func number(_ range: ClosedRange<Int>) -> Schema {
        Schema(
            type: "number",
            [.init("minimum", JSONValue(range.lowerBound)), .init("maximum", JSONValue(range.upperBound))]
        )
    }

    /// One of a closed set of words.
    static func words(_ words: [String]) -> Schema {
        Schema(type: "string", [.init("enum", .array(words.map { .string($0) }))])
    }

    static func array(of element: Schema, counts: ClosedRange<Int>? = nil) -> Schema {
        var members = [JSONValue.Member("items", element.document)]
        if let counts {
            members += [
                .init("minItems", JSONValue(counts.lowerBound)), .init("maxItems", JSONValue(counts.upperBound)),
            ]
        }
        return Schema(type: "array", members, [element])
    }

    /// An object whose values all have one form.
    static func map(of value: Schema) -> Schema {
        Schema(type: "object", [.init("additionalProperties", value.document)], [value])
    }

    /// An object with these members; a name that ends in `?` need not be there.
    static func object(_ members: KeyValuePairs<String, Schema>) -> Schema {
        let properties = members.map { JSONValue.Member(name($0.key), $0.value.document) }
        let required = members.filter { !$0.key.hasSuffix("?") }.map { JSONValue.string($0.key) }
        var parts: [JSONValue.Member] = [.init("properties", .object(properties))]
        if !required.isEmpty { parts.append(.init("required", .array(required))) }
        return Schema(type: "object", parts, members.map(\.value))
    }

    /// An object with one member that has to be there.
    static func member(_ name: String, _ schema: Schema) -> Schema {
        Schema(
            type: "object",
            [.init("properties", .object([.init(name, schema.document)])), .init("required", [.string(name)])],
            [schema]
        )
    }

    static func constant(_ value: JSONValue) -> Schema { Schema([.init("const", value)]) }

    private static func name(_ key: String) -> String { key.hasSuffix("?") ? String(key.dropLast()) : key }

    /// Both of two objects.
    static func all(_ parts: Schema...) -> Schema {
        Schema([.init("allOf", .array(parts.map(\.document)))], parts)
    }

    static func either(_ parts: Schema...) -> Schema {
        Schema([.init("anyOf", .array(parts.map(\.document)))], parts)
    }

    /// The same, or null.
    var orNull: Schema { Schema.either(self, Schema(type: "null")) }

    /// The same under a name of its own, referred to wherever it occurs.
    func named(_ name: String) -> Schema {
        var reference = Schema([.init("$ref", .string("#/components/schemas/" + name))], [self])
        reference.components[name] = document
        return reference
    }
}
