import NIOCore
import Testing
import WireFormats

@testable import Providers

@Suite("Schemas for Gemini")
struct GeminiSchemaTests {
    private static func cleaned(_ schema: String, _ root: GeminiSchema.Root = .any) -> String {
        Array(schema.utf8).withUnsafeBytes { bytes in
            var out = JSONWriter()
            GeminiSchema.write(JSONView(bytes), as: root, into: &out)
            return String(buffer: out.buffer)
        }
    }

    private static func openAPI(_ schema: String) -> String {
        Array(schema.utf8).withUnsafeBytes { bytes in
            var out = JSONWriter()
            GeminiOpenAPISchema.write(JSONView(bytes), into: &out)
            return String(buffer: out.buffer)
        }
    }

    @Test(
        "changes spellings and nothing else",
        arguments: [
            (
                #"{"$schema":"x","strict":true,"type":"object","properties":{"strict":{"type":"string"}}}"#,
                #"{"type":"object","properties":{"strict":{"type":"string"}}}"#
            ),
            (#"{"enum":["a","b"],"type":"string"}"#, #"{"enum":["a","b"],"type":"string"}"#),
            (#"{"enum":[1,2.50,true],"type":"number"}"#, #"{"enum":["1","2.50","true"],"type":"string"}"#),
            (#"{"type":["string","null"],"enum":["a",null]}"#, #"{"type":["string","null"],"enum":["a","null"]}"#),
            (#"{"const":"a"}"#, #"{"enum":["a"]}"#), (#"{"enum":["a"],"const":"a"}"#, #"{"enum":["a"]}"#),
            (
                ##"{"definitions":{"d":{"const":1}},"items":{"$ref":"#/definitions/d"}}"##,
                ##"{"$defs":{"d":{"enum":["1"]}},"items":{"$ref":"#/$defs/d"}}"##
            ),
            (
                ##"{"$defs":{"a":{}},"definitions":{"b":{}},"$ref":"#/definitions/b"}"##,
                ##"{"$defs":{"a":{}},"definitions":{"b":{}},"$ref":"#/definitions/b"}"##
            ),
            (
                // Only the document's own definitions are what references mean.
                #"{"properties":{"p":{"$defs":{"a":{}},"definitions":{"b":{}}}}}"#,
                #"{"properties":{"p":{"$defs":{"a":{}},"definitions":{"b":{}}}}}"#
            ),
            (
                #"{"items":[{"const":1},true],"additionalProperties":false}"#,
                #"{"items":[{"enum":["1"]},{}],"additionalProperties":false}"#
            ),
            (
                #"{"anyOf":[{"const":1}],"minimum":3,"pattern":"^a$"}"#,
                #"{"anyOf":[{"enum":["1"]}],"minimum":3,"pattern":"^a$"}"#
            ),
        ])
    func spellings(schema: String, expected: String) {
        #expect(Self.cleaned(schema) == expected)
    }

    @Test("arguments are objects, said or unsaid")
    func root() {
        #expect(Self.cleaned(#"{"properties":{"a":{}}}"#, .object) == #"{"type":"object","properties":{"a":{}}}"#)
        #expect(Self.cleaned(#"{"anyOf":[{}]}"#, .object) == #"{"anyOf":[{}]}"#)
        #expect(Self.cleaned(#"{"properties":{"a":{}}}"#) == #"{"properties":{"a":{}}}"#)
    }

    @Test(
        "before 2.0: types in upper case, nothing but what OpenAPI knows, references in place",
        arguments: [
            (
                #"{"type":"object","additionalProperties":false,"properties":{"a":{"type":["integer","null"]}},"#
                    + #""required":["a","b"]}"#,
                #"{"type":"OBJECT","properties":{"a":{"type":"INTEGER","nullable":true}},"required":["a"]}"#
            ),
            (
                ##"{"$defs":{"d/e":{"type":"string","format":"email","description":"x"}},"properties":{"a":"##
                    + ##"{"$ref":"#/$defs/d~1e","description":"y"}}}"##,
                #"{"type":"OBJECT","properties":{"a":{"type":"STRING","description":"y"}}}"#
            ),
            (
                #"{"allOf":[{"properties":{"a":{"type":"string"}},"required":["a"]},{"properties":{"b":{"type":"#
                    + #""integer"}},"required":["b"]}]}"#,
                #"{"type":"OBJECT","properties":{"a":{"type":"STRING"},"b":{"type":"INTEGER"}},"required":["a","b"]}"#
            ),
            (
                #"{"oneOf":[{"type":"string"},{"const":1}]}"#,
                #"{"anyOf":[{"type":"STRING"},{"type":"STRING","#
                    + #""enum":["1"]}]}"#
            ),
            (
                #"{"type":"array","items":{"type":"number","minimum":1},"minItems":1}"#,
                #"{"type":"ARRAY","minItems":1,"items":{"type":"NUMBER","minimum":1}}"#
            ),
        ])
    func openAPI(schema: String, expected: String) {
        #expect(Self.openAPI(schema) == expected)
    }

    @Test("recursive and enormous schemas end", .timeLimit(.minutes(1)))
    func recursion() {
        let list =
            ##"{"$defs":{"n":{"properties":{"a":{"$ref":"#/$defs/n"},"b":{"$ref":"#/$defs/n"}}}},"##
            + ##""$ref":"#/$defs/n"}"##
        #expect(Self.cleaned(list) == list)
        let written = Self.openAPI(list)
        #expect(written.utf8.count < 1 << 20 && Array(written.utf8).withUnsafeBytes { JSONScan.validate($0) })
        #expect(Self.openAPI(##"{"$ref":"#/a","a":{"$ref":"#"}}"##) == "{}")
        #expect(Self.openAPI(##"{"$ref":"#/a","a":{"$ref":"#/a"}}"##) == "{}")
    }

    // MARK: Properties

    /// A schema made up from a seed.
    private struct Generator {
        var state: UInt64

        mutating func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }

        mutating func schema(_ depth: Int) -> String {
            switch next(depth > 0 ? 9 : 4) {
            case 0: return #"{"type":"string","description":"a \"b\"","maxLength":3}"#
            case 1: return #"{"type":"integer","enum":[1,2,3]}"#
            case 2: return #"{"enum":["x",1,null,{"a":[1]}],"type":["string","integer"]}"#
            case 3: return #"{"const":true,"title":"t"}"#
            case 4: return #"{"type":"array","items":\#(schema(depth - 1)),"uniqueItems":true}"#
            case 5: return #"{"anyOf":[\#(schema(depth - 1)),\#(schema(depth - 1))]}"#
            case 6: return ##"{"$ref":"#/definitions/d","$comment":"c"}"##
            default:
                let names = ["enum", "type", "$schema", "required", "a"].prefix(1 + next(5))
                let properties = names.map { #""\#($0)":\#(schema(depth - 1))"# }.joined(separator: ",")
                let required = names.map { #""\#($0)""# }.joined(separator: ",")
                return #"{"type":"object","$schema":"s","properties":{\#(properties)},"required":[\#(required)]}"#
            }
        }
    }

    /// What must be so in every cleaned schema, wherever a schema stands.
    private static func check(_ view: JSONView, _ original: JSONView, _ problems: inout [String]) {
        if view.member("$schema") != nil || view.member("$comment") != nil || view.member("const") != nil {
            problems.append("a member was left")
        }
        var count = 0
        view.member("enum")?.forEachElement { value in
            count += 1
            if value.string == nil { problems.append("a listed value is no string") }
        }
        var originals = 0
        original.member("enum")?.forEachElement { _ in originals += 1 }
        if original.member("enum") != nil, count != originals { problems.append("a listed value was lost") }
        if original.member("const") != nil, count != 1 { problems.append("the only value was lost") }
        func texts(_ list: JSONView?) -> [String] {
            var found: [String] = []
            list?.forEachElement { if let text = $0.string { found.append(text) } }
            return found
        }
        if texts(view.member("required")) != texts(original.member("required")) { problems.append("required changed") }
        var names: [String] = []
        original.member("properties")?.forEachMember { name, schema in
            names.append(name)
            var found: JSONView?
            view.member("properties")?.forEachMember { if $0 == name { found = $1 } }
            if let found { check(found, schema, &problems) } else { problems.append("'\(name)' was lost") }
        }
        if let items = original.member("items") {
            if let found = view.member("items") { check(found, items, &problems) } else { problems.append("no items") }
        }
        var choices: [JSONView] = []
        view.member("anyOf")?.forEachElement { choices.append($0) }
        var index = 0
        original.member("anyOf")?.forEachElement { choice in
            if index < choices.count {
                check(choices[index], choice, &problems)
            } else {
                problems.append("a choice was lost")
            }
            index += 1
        }
    }

    @Test("nothing that a schema demands is lost, and cleaning twice changes nothing", arguments: 0..<40)
    func properties(seed: Int) {
        for round in 0..<25 {
            var generator = Generator(state: UInt64(seed * 1000 + round + 1))
            let schema = #"{"definitions":{"d":\#(generator.schema(1))},"properties":{"p":\#(generator.schema(4))}}"#
            let once = Self.cleaned(schema, .object)
            #expect(Self.cleaned(once, .object) == once, "\(schema)")
            var problems: [String] = []
            let isJSON = Array(once.utf8).withUnsafeBytes { cleaned in
                Array(schema.utf8).withUnsafeBytes { Self.check(JSONView(cleaned), JSONView($0), &problems) }
                return JSONScan.validate(cleaned)
            }
            #expect(isJSON && problems.isEmpty, "\(schema) \(problems)")
            #expect(!once.contains("#/definitions/"), "\(schema)")
            let older = Self.openAPI(schema)
            #expect(Array(older.utf8).withUnsafeBytes { JSONScan.validate($0) }, "\(schema)")
            #expect(!older.contains("$ref"), "\(schema)")
        }
    }
}
