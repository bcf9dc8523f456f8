import ControlPlane
import Testing

@Suite("GraphQL texts")
struct GraphQLTests {
    private static func nodes(_ text: String, _ variables: JSONValue = [:]) throws -> [GraphQLNode] {
        try GraphQLDocument(parsing: text).nodes(operation: nil, variables: variables)
    }

    @Test("aliases, arguments, variables and their defaults arrive at the field")
    func fields() throws {
        let text = #"""
            # a comment, and commas that mean nothing
            query Q($tag: string!, $from: Time = "2026-01-01", $list: [Int!]! = [1, 2]) {
              mine: viewer(a: $tag, b: {from: $from, deep: [$list, -1.5e3, true, null, WORD, "A\n"]},, c: """b"c""") { x }
            }
            """#
        let node = try #require(try Self.nodes(text, ["tag": "t"]).first)
        #expect(node.responseName == "mine" && node.name == "viewer" && node.path == ["mine"])
        #expect(
            node.arguments == [
                "a": "t",
                "b": [
                    "from": "2026-01-01",
                    "deep": [[1, 2], .number("-1.5e3"), true, nil, "WORD", "A\n"],
                ], "c": #"b"c"#,
            ])
        #expect(node.children.map(\.path) == [["mine", "x"]])
    }

    @Test("fragments are unfolded, and fields of one name are one")
    func fragments() throws {
        let nodes = try Self.nodes(
            "{ a { ...F b ... on T { c } ... { d } } a { e } } fragment F on T { b x: y }")
        #expect(nodes.count == 1)
        #expect(nodes[0].children.map(\.responseName) == ["b", "x", "c", "d", "e"])
    }

    @Test(
        "what cannot be meant is told",
        arguments: [
            ("", "empty"), ("{", "expected a name"), ("{ }", "empty"), ("{ a", "expected a name"),
            ("{ a( }", "expected"),
            ("{ a(b: ) }", "expected"), ("{ a(b: \"x }", "not ended"), ("{ a(b: 01) }", "begins with 0"),
            ("{ a(b: 1x) }", "followed by a name"), ("{ a @skip(if: true) }", "directives"),
            ("{ a ..b }", "unexpected"),
            ("mutation { a }", "Only queries"), ("{ a(b: $c) }", "not declared"), ("{ ...F }", "no fragment"),
            ("query($a: Int!) { b(c: $a) }", "is required"),
            ("{ a { ...F } } fragment F on T { ...F }", "nested too deep"),
            ("{ a(b: 1, b: 2) }", "given twice"), ("{ a(x: 1) a(x: 2) }", "use aliases"),
            ("{ a } { b }", "operationName"),
            ("fragment F on T { a } fragment F on T { a } { b }", "two fragments"),
            ("{ a } \u{0}", "unexpected character"),
            ("{ a(b: \"\\x\") }", "unknown escape"), ("{ a(b: \"\"\"x) }", "not ended"), ("{ a(b: \"\\", "not ended"),
        ])
    func malformed(text: String, reason: String) throws {
        do {
            _ = try Self.nodes(text)
            Issue.record("accepted: \(text)")
        } catch let problem as GraphQLProblem {
            #expect(problem.message.contains(reason), "\(problem.message)")
        }
    }

    @Test(
        "texts that would grow are refused at once",
        arguments: [
            String(repeating: "{a", count: 30_000), "{a(b:" + String(repeating: "[", count: 50_000),
            String(repeating: " ", count: 65_537), "query(" + String(repeating: "$a:[", count: 10_000),
            "{ ...A }" + (0..<40).map { "fragment F\($0) on T { ...F\($0 + 1) ...F\($0 + 1) }" }.joined()
                + "fragment F40 on T { a } fragment A on T { ...F0 }",
            "{" + (0..<2000).map { "a\($0) " }.joined() + "}",
        ])
    func bounded(text: String) {
        #expect(throws: GraphQLProblem.self) { try Self.nodes(text) }
    }

    /// A generator whose seed is printed with a failure.
    private struct SeededGenerator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ (state >> 29)
        }
    }

    @Test("no bytes make the reader fail otherwise than with a problem")
    func noise() {
        let sound = Array(
            #"query Q($a:T!="x"){v:viewer(f:{a:$a,b:[1,-2.5,X,null]}){...F ...on T{c}}}fragment F on T{d(e:"""z""")}"#
                .utf8)
        let signs = Array(#"{}()[]:$!=@"\.#, abc019-…"#.utf8)
        var read = 0
        for seed in 0..<4000 {
            var random = SeededGenerator(state: UInt64(seed))
            var bytes = sound
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes.remove(at: place)
                case 1: bytes.insert(signs.randomElement(using: &random) ?? 0, at: place)
                case 2: bytes[place] = UInt8.random(in: .min ... .max, using: &random)
                default: bytes.removeSubrange(place...)
                }
                if bytes.isEmpty { break }
            }
            if (try? Self.nodes(String(decoding: bytes, as: UTF8.self), ["a": "t"])) != nil { read += 1 }
        }
        #expect(read > 300 && read < 4000)
    }
}
