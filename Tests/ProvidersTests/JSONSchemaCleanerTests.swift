import Foundation
import NIOCore
import Testing
import WireFormats

@testable import Providers

/// providers.md §7.3
@Suite("Schemas for strict structured output")
struct JSONSchemaCleanerTests {
    private static func cleaned(_ schema: String) -> String {
        Array(schema.utf8).withUnsafeBytes { bytes in
            var out = JSONWriter()
            JSONSchemaCleaner.write(JSONView(bytes), into: &out)
            return String(buffer: out.buffer)
        }
    }

    @Test(
        "trap: what the dialect lacks is told in words, and nothing else is lost",
        arguments: [
            (#"{"type":"string","maxLength":3}"#, #"{"type":"string","description":"(maxLength: 3)"}"#),
            (
                #"{"description":"d","minimum":1,"type":"integer"}"#,
                #"{"type":"integer","description":"d (minimum: 1)"}"#
            ),
            (#"{"type":"array","minItems":1}"#, #"{"type":"array","minItems":1}"#),
            (#"{"type":"array","minItems":2}"#, #"{"type":"array","description":"(minItems: 2)"}"#),
            (#"{"oneOf":[{"type":"string"}]}"#, #"{"anyOf":[{"type":"string"}]}"#),
            (
                #"{"anyOf":[{"type":"string"}],"oneOf":[{"const":1}]}"#,
                #"{"anyOf":[{"type":"string"}],"description":"(oneOf: [{\"const\":1}])"}"#
            ),
            (#"{"type":"integer","enum":["a"]}"#, #"{"enum":["a"]}"#),
            (
                #"{"type":"object","enum":["a"],"additionalProperties":true,"title":"t"}"#,
                #"{"enum":["a"],"additionalProperties":true,"title":"t"}"#
            ),
            (#"{"type":"integer","enum":[1,"a"]}"#, #"{"type":"integer","enum":[1,"a"]}"#),
            (
                #"{"properties":{"oneOf":{"type":"string"},"not":{"maximum":2}},"required":["not"],"additionalProperties":true}"#,
                #"{"properties":{"oneOf":{"type":"string"},"not":{"description":"(maximum: 2)"}},"required":["not"],"#
                    + #""additionalProperties":false}"#
            ),
            (
                ##"{"$defs":{"d":{"type":"object"}},"items":{"$ref":"#/$defs/d"}}"##,
                ##"{"$defs":{"d":{"type":"object","additionalProperties":false}},"items":{"$ref":"#/$defs/d"}}"##
            ),
        ])
    func words(schema: String, expected: String) {
        #expect(Self.cleaned(schema) == expected)
    }

    @Test("what is nested deeper than the limit is written as it is")
    func depth() {
        func nested(_ count: Int, _ inner: String) -> String {
            String(repeating: #"{"items":"#, count: count) + inner + String(repeating: "}", count: count)
        }
        let rule = #"{"maxLength":3}"#
        #expect(Self.cleaned(nested(63, rule)) == nested(63, #"{"description":"(maxLength: 3)"}"#))
        #expect(Self.cleaned(nested(64, rule)) == nested(64, rule))
        #expect(Self.cleaned(nested(200, rule)) == nested(200, rule))
    }

    /// A schema made up from a seed.
    private struct Generator {
        var state: UInt64

        mutating func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }

        mutating func schema(_ depth: Int) -> [String: Any] {
            var schema: [String: Any] = [:]
            if next(3) == 0 { schema["description"] = "says \"this\"" }
            if next(4) == 0 { schema["pattern"] = "^a$" }
            switch next(depth > 0 ? 8 : 3) {
            case 0:
                schema["type"] = "string"
                schema["maxLength"] = next(9)
            case 1:
                schema["type"] = "integer"
                schema["minimum"] = -1
                schema["multipleOf"] = 2
            case 2: schema["enum"] = ["x", 1, NSNull()]
            case 3:
                schema["type"] = "array"
                schema["items"] = self.schema(depth - 1)
                schema["uniqueItems"] = true
            case 4: schema[["anyOf", "oneOf", "allOf"][next(3)]] = [self.schema(depth - 1), self.schema(depth - 1)]
            case 5: schema["$ref"] = "#/$defs/d"
            default:
                let names = Array(["a", "oneOf", "maximum", "required", "type"].prefix(1 + next(5)))
                schema["type"] = "object"
                schema["properties"] = Dictionary(uniqueKeysWithValues: names.map { ($0, self.schema(depth - 1)) })
                schema["required"] = names.filter { _ in next(2) == 0 }
                schema["minProperties"] = 1
            }
            return schema
        }
    }

    /// What must be so in a cleaned schema and in all schemas inside it.
    private func check(_ schema: [String: Any], _ original: [String: Any], _ path: String) {
        let unsupported: Set = ["oneOf", "maxLength", "minimum", "multipleOf", "uniqueItems", "minProperties"]
        #expect(unsupported.isDisjoint(with: schema.keys), "\(path)")
        #expect(schema["$ref"] as? String == original["$ref"] as? String, "\(path)")
        #expect((schema["enum"] as? NSArray) == (original["enum"] as? NSArray), "\(path)")
        #expect((schema["required"] as? [String]) == (original["required"] as? [String]), "\(path)")
        let words = schema["description"] as? String ?? ""
        #expect(words.hasPrefix(original["description"] as? String ?? ""), "\(path)")
        for rule in unsupported.subtracting(["oneOf"]).intersection(original.keys) {
            #expect(words.contains("(\(rule): "), "\(path)")
        }
        if let properties = original["properties"] as? [String: [String: Any]] {
            #expect(schema["additionalProperties"] as? Bool == false, "\(path)")
            let cleaned = schema["properties"] as? [String: [String: Any]] ?? [:]
            #expect(Set(cleaned.keys) == Set(properties.keys), "\(path)")
            for (name, property) in properties { check(cleaned[name] ?? [:], property, "\(path).\(name)") }
        }
        if let items = original["items"] as? [String: Any] {
            check(schema["items"] as? [String: Any] ?? [:], items, "\(path)[]")
        }
        for (key, name) in [("anyOf", "anyOf"), ("oneOf", "anyOf"), ("allOf", "allOf")] {
            guard let choices = original[key] as? [[String: Any]] else { continue }
            let cleaned = schema[name] as? [[String: Any]] ?? []
            #expect(cleaned.count == choices.count, "\(path)")
            for (new, old) in zip(cleaned, choices) { check(new, old, "\(path)|") }
        }
    }

    @Test("trap: no schema loses a member that it demands, and cleaning twice changes nothing", arguments: 0..<40)
    func properties(seed: Int) throws {
        for round in 0..<25 {
            var generator = Generator(state: UInt64(seed * 1000 + round + 1))
            let schema: [String: Any] = [
                "$defs": ["d": generator.schema(1)], "type": "object", "properties": ["p": generator.schema(4)],
                "required": ["p"],
            ]
            let text = String(decoding: try JSONSerialization.data(withJSONObject: schema), as: UTF8.self)
            let once = Self.cleaned(text)
            #expect(Self.cleaned(once) == once, "\(text)")
            let read = try JSONSerialization.jsonObject(with: Data(once.utf8)) as? [String: Any]
            check(try #require(read), schema, text)
        }
    }
}
