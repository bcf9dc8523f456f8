/// Makes a JSON Schema of the choices that an input's bytes stand for.
struct SchemaMaker {
    private var rest: Slice<UnsafeRawBufferPointer>
    /// Schemas that may still be made.
    private var left = 200

    init(_ input: UnsafeRawBufferPointer) { rest = Slice(base: input, bounds: input.startIndex..<input.endIndex) }

    private mutating func choice(_ bound: Int) -> Int { Int(rest.popFirst() ?? 0) % bound }

    private mutating func list(_ make: (inout SchemaMaker) -> String) -> String {
        (0...choice(3)).map { _ in make(&self) }.joined(separator: ",")
    }

    private static let names = ["a", "b", "type", "enum", "$ref", "oneOf", "required", "maximum", "d/e", "$schema"]
    private static let types = ["string", "integer", "number", "boolean", "null", "object", "array"]
    private static let values = ["\"x\"", "1", "2.50", "true", "null", "{\"a\":[1]}", "\"\\u0041\"", "-0", "1e400"]
    private static let references = [
        "#/$defs/a", "#/definitions/b", "#", "#/properties/d~1e", "https://x.example/s", "#/nowhere",
    ]
    private static let rules = [
        "\"maxLength\":3", "\"minimum\":-1.5", "\"pattern\":\"^a\\\"$\"", "\"minItems\":2", "\"minItems\":0",
        "\"uniqueItems\":true", "\"format\":\"email\"", "\"description\":\"says \\\"this\\\"\"", "\"title\":\"t\"",
        "\"$comment\":\"c\"", "\"strict\":true", "\"additionalProperties\":true", "\"default\":{\"enum\":[1]}",
        "\"examples\":[{\"const\":1}]",
    ]

    /// An object with each member once.
    mutating func schema(_ depth: Int = 6) -> String {
        left -= 1
        guard left > 0, depth > 0 else { return #"{"type":"string"}"# }
        var members: [(key: String, text: String)] = []
        func add(_ key: String, _ value: String) {
            if !members.contains(where: { $0.key == key }) { members.append((key, "\"\(key)\":\(value)")) }
        }
        for _ in 0...choice(5) {
            switch choice(13) {
            case 0: add("type", "\"\(Self.types[choice(Self.types.count)])\"")
            case 1: add("type", "[\"\(Self.types[choice(Self.types.count)])\",\"null\"]")
            case 2: add("enum", "[" + list { Self.values[$0.choice(Self.values.count)] } + "]")
            case 3: add("const", Self.values[choice(Self.values.count)])
            case 4: add("$ref", "\"\(Self.references[choice(Self.references.count)])\"")
            case 5, 6:
                var used: [String] = []
                let properties = list { maker in
                    var name = Self.names[maker.choice(Self.names.count)]
                    while used.contains(name) { name += "_" }
                    used.append(name)
                    return "\"\(name)\":\(maker.schema(depth - 1))"
                }
                add("properties", "{\(properties)}")
                add("required", "[" + used.prefix(1 + choice(3)).map { "\"\($0)\"" }.joined(separator: ",") + "]")
                if choice(2) == 0 { add("type", #""object""#) }
            case 7: add("items", schema(depth - 1))
            case 8:
                let word = ["anyOf", "oneOf", "allOf", "prefixItems"][choice(4)]
                add(word, "[" + list { $0.schema(depth - 1) } + "]")
            case 9:
                let word = ["not", "if", "contains", "propertyNames"][choice(4)]
                add(word, schema(depth - 1))
            case 10:
                let word = ["$defs", "definitions", "patternProperties", "dependentSchemas"][choice(4)]
                add(word, "{\"a\":\(schema(depth - 1)),\"b\":\(schema(depth - 1))}")
            default:
                let rule = Self.rules[choice(Self.rules.count)]
                add(
                    String(rule.dropFirst().prefix { $0 != "\"" }),
                    String(rule[rule.index(after: rule.firstIndex(of: ":") ?? rule.startIndex)...]))
            }
        }
        return "{" + members.map(\.text).joined(separator: ",") + "}"
    }
}
