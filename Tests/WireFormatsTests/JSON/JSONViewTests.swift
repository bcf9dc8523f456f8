import Testing
import WireFormats

@Suite("Views of JSON values")
struct JSONViewTests {
    @Test(
        "numbers read as integers when they are integral",
        arguments: [
            ("5", 5), ("-5", -5), ("5.0", 5), ("5e0", 5), ("1.5e1", 15), ("0", 0), ("-0", 0),
            ("9223372036854775807", Int.max), ("-9223372036854775808", Int.min), ("9223372036854775808", nil),
            ("-9223372036854775809", nil), ("99999999999999999999999", nil), ("5.5", nil), ("1e30", nil),
            ("\"5\"", nil),
            ("05", nil), ("5x", nil), ("", nil), ("null", nil),
        ] as [(String, Int?)]
    )
    func integers(_ text: String, _ expected: Int?) {
        #expect(withBytes(text) { JSONView($0).int } == expected)
    }

    @Test("numbers read as floating point when they are finite")
    func doubles() {
        #expect(withBytes("0.25") { JSONView($0).double } == 0.25)
        #expect(withBytes("-1.5e-3") { JSONView($0).double } == -0.0015)
        #expect(withBytes("7") { JSONView($0).double } == 7)
        #expect(withBytes("1e999") { JSONView($0).double } == nil)
        #expect(withBytes("true") { JSONView($0).double } == nil)
    }

    @Test(
        "strings come out unescaped",
        arguments: [
            (#""""#, ""), (#""plain é""#, "plain é"), (#""a\n\t\"\\\/\b\f\r""#, "a\n\t\"\\/\u{8}\u{c}\r"),
            (#""\u0041\u00e9\u20AC""#, "A\u{e9}\u{20ac}"), (#""\uD83D\uDE00!""#, "😀!"),
            (#""\uD83Dx""#, "\u{fffd}x"), (#""\uDE00""#, "\u{fffd}"), (#""\uD83D\uD83D\uDE00""#, "\u{fffd}😀"),
            (#""\uD83D\n""#, "\u{fffd}\n"), (#""\uD83D""#, "\u{fffd}"), (#""\u0000""#, "\u{0}"),
        ]
    )
    func strings(_ text: String, _ expected: String) {
        #expect(withBytes(text) { JSONView($0).string } == expected)
    }

    @Test("what is no string has no text", arguments: ["5", "null", "\"open", "\"a\"b", "\"\\q\"", "{}", ""])
    func notStrings(_ text: String) {
        #expect(withBytes(text) { JSONView($0).string } == nil)
    }

    @Test("kinds, booleans and null")
    func kinds() {
        let kinds: [(String, JSONView.Kind)] = [
            (" {}", .object), ("[]\n", .array), ("\"\"", .string), ("-1", .number), ("true", .bool), ("null", .null),
            ("", .invalid), ("x", .invalid),
        ]
        for (text, kind) in kinds { #expect(withBytes(text) { JSONView($0).kind } == kind) }
        #expect(withBytes(" true ") { JSONView($0).bool } == true)
        #expect(withBytes("false") { JSONView($0).bool } == false)
        #expect(withBytes("tru") { JSONView($0).bool } == nil)
        #expect(withBytes("null") { JSONView($0).isNull })
        #expect(!withBytes("nul") { JSONView($0).isNull })
    }

    @Test("members are found by name through nesting, escapes and duplicates")
    func members() {
        let text = #"{"usage":{"tokens":{"in":12,"out":null}},"a\u0062c":1,"dup":1,"dup":2,"":7,"list":[{"k":"v"},3]}"#
        withBytes(text) { bytes in
            let root = JSONView(bytes)
            #expect(root.member("usage")?.member("tokens")?.member("in")?.int == 12)
            #expect(root.member("usage")?.member("tokens")?.member("out")?.isNull == true)
            #expect(root.member("tokens") == nil)
            #expect(root.member("abc")?.int == 1)
            #expect(root.member("dup")?.int == 1)
            #expect(root.member("")?.int == 7)
            #expect(root.member("list")?.firstElement?.member("k")?.string == "v")
            #expect(root.member("list")?.lastElement?.int == 3)
            #expect(root.member("list")?.member("k") == nil)
            #expect(root.firstElement == nil)
            var keys: [String] = []
            root.forEachMember { key, _ in keys.append(key) }
            #expect(keys == ["usage", "abc", "dup", "dup", "", "list"])
        }
    }

    @Test("elements are walked in order; an empty array has none")
    func elements() {
        withBytes("[ 1 , [2,3], \"x,]\" ]") { bytes in
            var raw: [String] = []
            JSONView(bytes).forEachElement { raw.append(String(decoding: $0.bytes, as: UTF8.self)) }
            #expect(raw == ["1", "[2,3]", "\"x,]\""])
        }
        withBytes("[ ]") { #expect(JSONView($0).firstElement == nil && JSONView($0).lastElement == nil) }
        withBytes("{ }") { #expect(JSONView($0).member("a") == nil) }
    }

    @Test("a malformed document gives what stands before the damage, at any cut")
    func damaged() {
        let bytes = Array(#"{"a":1,"b":[1,{"c":"d\u00e9"}],"e":{"f":2.5}}"#.utf8)
        for cut in 0..<bytes.count {
            withBytes(Array(bytes[..<cut])) { piece in
                let view = JSONView(piece)
                #expect(view.member("a")?.int == (cut > 6 ? 1 : cut == 6 ? 1 : nil))
                view.forEachMember { _, value in value.forEachElement { _ in } }
                _ = view.member("e")?.member("f")?.double
                _ = view.lastElement
            }
        }
    }
}
