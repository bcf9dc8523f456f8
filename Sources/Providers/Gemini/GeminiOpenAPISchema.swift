import WireFormats

/// Writes a JSON Schema in the subset of OpenAPI that Gemini knew before 2.0 (providers.md §8.1): types in upper case,
/// no references, no word on further members.
///
/// References and `allOf` are resolved in place.
/// - Limit: beyond `depthLimit` levels, of recursive schemas too, and beyond `sizeLimit` objects nothing but a type is
///   said.
struct GeminiOpenAPISchema {
    private static let depthLimit = 24
    private static let sizeLimit = 4096
    /// Members that mean the same in both.
    private static let common: Set<String> = [
        "description", "format", "minItems", "maxItems", "minimum", "maximum", "minLength", "maxLength", "pattern",
    ]

    private let root: JSONView
    private var count = 0

    static func write(_ schema: JSONView, into out: inout JSONWriter) {
        var writer = GeminiOpenAPISchema(root: schema)
        writer.write(schema, 0, &out)
    }

    private init(root: JSONView) { self.root = root }

    private mutating func write(_ schema: JSONView, _ depth: Int, _ out: inout JSONWriter) {
        count += 1
        guard schema.kind == .object, depth < Self.depthLimit, count < Self.sizeLimit else {
            return out.raw(#"{"type":"OBJECT"}"#)
        }
        let sources = sources(of: schema)
        func first(_ name: StaticString) -> JSONView? {
            for source in sources { if let view = source.member(name) { return view } }
            return nil
        }
        out.beginObject()
        var properties: [(name: String, schema: JSONView)] = []
        var names: Set<String> = []
        for source in sources {
            source.member("properties")?.forEachMember { name, value in
                if names.insert(name).inserted { properties.append((name, value)) }
            }
        }
        let values =
            first("enum").map { GeminiEnumeration($0, const: false) }
            ?? first("const").map { GeminiEnumeration($0, const: true) }
        writeType(first("type"), values, isObject: !properties.isEmpty, &out)
        if let values {
            out.key("enum")
            values.write(into: &out)
        }
        var written: Set<String> = []
        for source in sources {
            source.forEachMember { key, value in
                guard Self.common.contains(key), written.insert(key).inserted else { return }
                // Other formats than these are refused.
                if key == "format", !["int32", "int64", "float", "double", "date-time", "enum"].contains(value.string) {
                    return
                }
                out.key(named: key)
                out.raw(value)
            }
        }
        if !properties.isEmpty {
            out.key("properties")
            out.beginObject()
            for property in properties {
                out.key(named: property.name)
                write(property.schema, depth + 1, &out)
            }
            out.endObject()
        }
        writeRequired(sources, names, &out)
        if let items = first("items"), items.kind == .object {
            out.key("items")
            write(items, depth + 1, &out)
        }
        if let choices = first("anyOf") ?? first("oneOf"), choices.kind == .array {
            var list: [JSONView] = []
            choices.forEachElement { list.append($0) }
            out.key("anyOf")
            out.beginArray()
            for choice in list { write(choice, depth + 1, &out) }
            out.endArray()
        }
        out.endObject()
    }

    private func writeType(
        _ type: JSONView?, _ values: GeminiEnumeration?, isObject: Bool, _ out: inout JSONWriter
    ) {
        var words: [String] = []
        if let word = type?.string { words = [word] }
        type?.forEachElement { if let word = $0.string { words.append(word) } }
        let isNullable = words.contains("null")
        words.removeAll { $0 == "null" }
        let word = values != nil ? "string" : words.first ?? (isObject ? "object" : nil)
        if let word {
            out.key("type")
            out.string(word.uppercased())
        }
        if isNullable {
            out.key("nullable")
            out.bool(true)
        }
    }

    /// Members that must be there; only those that are described can be.
    private func writeRequired(_ sources: [JSONView], _ names: Set<String>, _ out: inout JSONWriter) {
        var required: [String] = []
        for source in sources {
            source.member("required")?.forEachElement { name in
                if let name = name.string, names.contains(name), !required.contains(name) { required.append(name) }
            }
        }
        guard !required.isEmpty else { return }
        out.key("required")
        out.beginArray()
        for name in required { out.string(name) }
        out.endArray()
    }

    // MARK: References

    /// A schema and those that it refers to or is composed of, the nearest first.
    private func sources(of schema: JSONView) -> [JSONView] {
        var sources = [schema]
        var next = 0
        while next < sources.count, sources.count < 32 {
            let source = sources[next]
            next += 1
            if let reference = source.member("$ref")?.string, let target = resolve(reference) { sources.append(target) }
            source.member("allOf")?.forEachElement { if sources.count < 32 { sources.append($0) } }
        }
        return sources
    }

    /// A part of the document, by a JSON pointer in a fragment.
    private func resolve(_ reference: String) -> JSONView? {
        guard reference.hasPrefix("#/") else { return nil }
        var place = root
        for segment in reference.dropFirst(2).split(separator: "/", omittingEmptySubsequences: false).prefix(16) {
            let name = Self.unescaped(segment)
            var found: JSONView?
            place.forEachMember { key, value in if found == nil, key == name { found = value } }
            guard let found else { return nil }
            place = found
        }
        return place
    }

    /// `~1` stands for `/`, `~0` for `~` (RFC 6901).
    private static func unescaped(_ segment: Substring) -> String {
        var result = ""
        var isMarked = false
        for character in segment {
            if isMarked {
                result += character == "1" ? "/" : character == "0" ? "~" : "~" + String(character)
                isMarked = false
            } else if character == "~" {
                isMarked = true
            } else {
                result.append(character)
            }
        }
        return result
    }
}
