import WireFormats

/// Writes a JSON Schema in the dialect of strict structured output (providers.md §7.3).
///
/// Objects are closed, `oneOf` becomes `anyOf` where there is none, and what the dialect lacks is told in words.
/// - Limit: a schema of more than `sizeLimit` bytes, and what is nested deeper than `depthLimit`, is written as it is.
enum JSONSchemaCleaner {
    private static let depthLimit = 64
    private static let sizeLimit = 1 << 20

    private static let unsupported: Set<String> = [
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
        "maxItems", "uniqueItems", "contains", "minContains", "maxContains", "prefixItems", "minProperties",
        "maxProperties", "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas",
        "unevaluatedProperties", "if", "then", "else", "not",
    ]

    static func write(_ schema: JSONView, into out: inout JSONWriter) {
        if schema.bytes.count > sizeLimit { out.raw(schema) } else { write(schema, 0, &out) }
    }

    private static func write(_ schema: JSONView, _ depth: Int, _ out: inout JSONWriter) {
        guard schema.kind == .object, depth < depthLimit else { return out.raw(schema) }
        var notes: [String] = []
        var description: String?
        // One look for all: what is inside is passed over each time.
        var type: JSONView?
        var enumeration: JSONView?
        var hasProperties = false
        var hasChoices = false
        schema.forEachRawMember { key, value in
            if key.isText("type") {
                type = type ?? value
            } else if key.isText("enum") {
                enumeration = enumeration ?? value
            } else if key.isText("properties") {
                hasProperties = true
            } else if key.isText("anyOf") {
                hasChoices = true
            }
        }
        let isImpossible = type.map { contradicts($0, enumeration) } ?? false
        let isObject = hasProperties || !isImpossible && type?.string == "object"
        out.beginObject()
        schema.forEachMember { key, value in
            switch key {
            case "description": description = value.string
            case "additionalProperties" where isObject: break
            case "type" where isImpossible: break
            case "minItems" where (value.int ?? 2) > 1: notes.append(note(key, value))
            case "properties", "$defs", "definitions":
                out.key(named: key)
                eachMember(value, depth, &out)
            case "items":
                out.key(named: key)
                write(value, depth + 1, &out)
            // Both cannot stand under one name, and to drop either would change what is demanded.
            case "oneOf" where hasChoices: notes.append(note(key, value))
            case "anyOf", "allOf", "oneOf":
                out.key(named: key == "oneOf" ? "anyOf" : key)
                eachElement(value, depth, &out)
            default:
                if unsupported.contains(key) {
                    notes.append(note(key, value))
                } else {
                    out.key(named: key)
                    out.raw(value)
                }
            }
        }
        let words = ([description].compactMap { $0 } + notes).joined(separator: " ")
        if !words.isEmpty {
            out.key("description")
            out.string(words)
        }
        if isObject {
            out.key("additionalProperties")
            out.bool(false)
        }
        out.endObject()
    }

    private static func eachMember(_ view: JSONView, _ depth: Int, _ out: inout JSONWriter) {
        guard view.kind == .object else { return out.raw(view) }
        out.beginObject()
        view.forEachMember { key, value in
            out.key(named: key)
            write(value, depth + 1, &out)
        }
        out.endObject()
    }

    private static func eachElement(_ view: JSONView, _ depth: Int, _ out: inout JSONWriter) {
        guard view.kind == .array else { return out.raw(view) }
        out.beginArray()
        view.forEachElement { write($0, depth + 1, &out) }
        out.endArray()
    }

    /// A rule that the dialect lacks, in words: `(maxLength: 5)`.
    private static func note(_ key: String, _ value: JSONView) -> String {
        "(\(key): \(String(decoding: value.bytes, as: UTF8.self)))"
    }

    /// Whether none of the listed values is of the type.
    private static func contradicts(_ type: JSONView, _ enumeration: JSONView?) -> Bool {
        guard let type = type.string, let enumeration, enumeration.kind == .array else { return false }
        var isPossible = false
        enumeration.forEachElement { value in
            switch (type, value.kind) {
            case ("string", .string), ("number", .number), ("boolean", .bool), ("null", .null), ("object", .object),
                ("array", .array):
                isPossible = true
            case ("integer", .number): if value.int != nil { isPossible = true }
            default: break
            }
        }
        return !isPossible
    }
}
