import WireFormats

/// Writes a JSON Schema as Gemini reads it since 2.0 (providers.md §8.1).
///
/// What a value must be is kept; only spellings change: listed values become strings, `const` a list of one,
/// `definitions` become `$defs`, and members that describe the document go.
/// - Limit: a schema of more than `sizeLimit` bytes, and what is nested deeper than `depthLimit`, is written as it is.
enum GeminiSchema {
    /// What a whole schema has to describe.
    enum Root {
        /// The arguments of a function.
        case object
        case any
    }

    private static let depthLimit = 64
    private static let sizeLimit = 1 << 20
    private static let documentMembers: Set<String> = ["$schema", "$comment", "strict"]

    static func write(_ schema: JSONView, as root: Root, into out: inout JSONWriter) {
        guard schema.bytes.count <= sizeLimit else { return out.raw(schema) }
        // Only one of the two spellings can stand for the definitions.
        let renames = schema.member("$defs") == nil
        let isTyped = ["type", "$ref", "anyOf", "oneOf", "allOf"].contains { schema.hasMember($0) }
        write(schema, root == .object && !isTyped ? .needed : .given, renames, 0, &out)
    }

    /// Whether a schema says itself what type it is of.
    private enum Typing { case given, needed }

    private static func write(
        _ schema: JSONView, _ typing: Typing, _ renames: Bool, _ depth: Int, _ out: inout JSONWriter
    ) {
        if schema.bool == true { return out.raw("{}") }
        guard schema.kind == .object, depth < depthLimit else { return out.raw(schema) }
        let listed = schema.member("enum") ?? schema.member("const")
        let values = listed.map { GeminiEnumeration($0, const: schema.member("enum") == nil) }
        out.beginObject()
        if typing == .needed {
            out.key("type")
            out.string("object")
        }
        schema.forEachMember { key, value in
            switch key {
            case _ where documentMembers.contains(key): break
            case "enum", "const":
                guard let values, key == "enum" || values.isConst else { break }
                out.key("enum")
                values.write(into: &out)
            case "type" where values?.changesType == true: out.writeStringType(instead: value)
            case "$ref":
                out.key("$ref")
                let reference = value.string ?? ""
                if renames, reference.hasPrefix("#/definitions/") {
                    out.string("#/$defs/" + reference.dropFirst(14))
                } else {
                    out.raw(value)
                }
            case "definitions", "$defs", "properties", "patternProperties", "dependentSchemas":
                // References lead to the document's own definitions; those further inside keep their place.
                out.key(named: key == "definitions" && renames && depth == 0 ? "$defs" : key)
                eachMember(value, renames, depth, &out)
            case "items", "not", "if", "then", "else", "contains", "propertyNames", "additionalProperties":
                out.key(named: key)
                writeNested(value, renames, depth, &out)
            case "anyOf", "oneOf", "allOf", "prefixItems":
                out.key(named: key)
                eachElement(value, renames, depth, &out)
            default:
                out.key(named: key)
                out.raw(value)
            }
        }
        out.endObject()
    }

    /// A schema, a list of schemas, or a word of whether anything may stand there.
    private static func writeNested(_ view: JSONView, _ renames: Bool, _ depth: Int, _ out: inout JSONWriter) {
        switch view.kind {
        case .array: eachElement(view, renames, depth, &out)
        case .object: write(view, .given, renames, depth + 1, &out)
        default: out.raw(view)
        }
    }

    private static func eachMember(_ view: JSONView, _ renames: Bool, _ depth: Int, _ out: inout JSONWriter) {
        guard view.kind == .object else { return out.raw(view) }
        out.beginObject()
        view.forEachMember { key, value in
            out.key(named: key)
            write(value, .given, renames, depth + 1, &out)
        }
        out.endObject()
    }

    private static func eachElement(_ view: JSONView, _ renames: Bool, _ depth: Int, _ out: inout JSONWriter) {
        guard view.kind == .array else { return out.raw(view) }
        out.beginArray()
        view.forEachElement { write($0, .given, renames, depth + 1, &out) }
        out.endArray()
    }
}

/// The values that a schema lists, which Gemini takes as strings only.
struct GeminiEnumeration {
    let isConst: Bool
    /// Whether some values were no strings, so that the type has to change with them.
    private(set) var changesType = false
    private var texts: [String] = []

    init(_ view: JSONView, const: Bool) {
        isConst = const
        var values: [JSONView] = []
        if const { values = [view] } else { view.forEachElement { values.append($0) } }
        for value in values { add(value) }
    }

    private mutating func add(_ value: JSONView) {
        if let text = value.string {
            texts.append(text)
        } else {
            changesType = true
            texts.append(value.compactText)
        }
    }

    func write(into out: inout JSONWriter) {
        out.beginArray()
        for text in texts { out.string(text) }
        out.endArray()
    }
}

extension JSONWriter {
    /// The type of listed strings where the schema names another; `null` stays possible where it was.
    fileprivate mutating func writeStringType(instead type: JSONView) {
        var isNullable = false
        type.forEachElement { if $0.string == "null" { isNullable = true } }
        key("type")
        raw(isNullable ? #"["string","null"]"# : #""string""#)
    }
}

extension JSONView {
    /// Whether a member of that name is there.
    func hasMember(_ name: StaticString) -> Bool { member(name) != nil }
}
