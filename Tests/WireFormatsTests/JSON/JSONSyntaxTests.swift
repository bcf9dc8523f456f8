import Testing
import WireFormats

@Suite("JSON syntax")
struct JSONSyntaxTests {
    private static let valid: [String] = [
        "null", "true", "false", "0", "-0", "1", "-1", "10", "1.5", "-0.0", "1e5", "1E+5", "1e-5", "0e0", "0.1e10",
        "123456789012345678901234567890", "1e999", "\"\"", "\"a\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u0000\"",
        "\"\\u00e9\\uD83D\\uDE00\"", "\"\\uD800\"", "\"\\uDEAD\\uD800x\"", "\"é€😀\"", "\"\u{7f}\"", "\"\u{2028}\"",
        "\"\u{10FFFF}\"", "[]", "[ ]", "{}", "{ }", "[1]", "[1,2]", "[[],{}]", " \t\r\n[ 1 , 2 ]\n", "{\"a\":1}",
        "{\"a\":1,\"a\":2}", "{\"\":0}", "{ \"a\" : { \"b\" : [ null ] } , \"c\" : \"d\" }", "[\"]\",\"}\"]",
        "\"" + String(repeating: "long ", count: 40) + "é\\n" + String(repeating: "x", count: 33) + "\"",
        String(repeating: "[", count: 512) + String(repeating: "]", count: 512),
    ]
    private static let invalid: [String] = [
        "", " ", "nul", "nulll", "True", "NaN", "Infinity", "-", "+1", "01", "-01", "1.", ".5", "1.e5", "1e", "1e+",
        "0x1",
        "1 2", "- 1", "1a", "\"", "\"a", "\"\\\"", "\"\\x41\"", "\"\\u12\"", "\"\\u12G4\"", "\"\\", "\"\\u", "'a'",
        "\"a\nb\"", "\"a\tb\"", "\"\u{0}\"", "\"\u{1f}\"", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1,,2]",
        "[]]",
        "[1}", "{", "}", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "{a:1}", "{1:1}",
        "{\"a\" 1}",
        "{\"a\"::1}", "{\"a\":1 \"b\":2}", "{\"a\":}", "{}{}", "[]//", "/**/1", "\u{feff}1", "\u{a0}1", "1\u{0}",
        "\u{c}1",
        String(repeating: "[", count: 513) + String(repeating: "]", count: 513),
        String(repeating: "[", count: 100_000), String(repeating: "{\"a\":", count: 50_000),
    ]
    /// Strings whose inside is not UTF-8.
    private static let invalidUTF8: [[UInt8]] = [
        [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xC3, 0x28], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF],
        [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF],
        [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xF0, 0x9F, 0x98], [0xFE], [0xFF],
    ]

    @Test("valid documents are valid", arguments: valid)
    func accepts(_ text: String) {
        #expect(withBytes(text) { JSONScan.validate($0) })
        #expect(withBytes("{\"k\":\(text)}") { JSONScan.topLevel($0, wanted: ["k"]) } != nil || text.hasPrefix("[[[["))
    }

    @Test("invalid documents are not, and nothing past them is read", arguments: invalid)
    func refuses(_ text: String) {
        #expect(!withBytes(text) { JSONScan.validate($0) })
        #expect(withBytes("{\"k\":\(text)}") { JSONScan.topLevel($0, wanted: ["k"]) } == nil || text == "\u{feff}1")
    }

    @Test("strings must be UTF-8", arguments: invalidUTF8)
    func refusesBadUTF8(_ inside: [UInt8]) {
        let quote: [UInt8] = [0x22]
        #expect(!withBytes(quote + inside + quote) { JSONScan.validate($0) })
        #expect(!withBytes(quote + Array("0123456789abcdef".utf8) + inside + quote) { JSONScan.validate($0) })
    }

    @Test("every proper prefix of a document is invalid")
    func prefixes() {
        let bytes = Array(
            "{\"a\":[1.5e3,\"é\\u00e9\",{\"b\":null}],\"c\":\"\(String(repeating: "z", count: 40))\"}".utf8)
        for cut in 0..<bytes.count { #expect(!withBytes(Array(bytes[..<cut])) { JSONScan.validate($0) }) }
        #expect(withBytes(bytes) { JSONScan.validate($0) })
    }

    @Test("wanted members are found in the outermost object only")
    func topLevel() throws {
        let text =
            " {\"x\":{\"model\":\"no\"}, \"mod\\u0065l\" : \"gpt\" ,\"stream\":true,\"y\":[\"stream\"],\"model2\":1} \n"
        let top = try #require(withBytes(text) { JSONScan.topLevel($0, wanted: ["model", "stream", "absent"]) })
        let bytes = Array(text.utf8)
        #expect(top[0].map { String(decoding: bytes[$0], as: UTF8.self) } == "\"gpt\"")
        #expect(top[1].map { String(decoding: bytes[$0], as: UTF8.self) } == "true")
        #expect(top[2] == nil)
        #expect(!top.hasDuplicate)
        #expect(bytes[top.objectStart] == 0x7B && bytes[top.objectEnd] == 0x7D)
        #expect(top.objectStart == 1 && top.objectEnd == bytes.count - 3)
    }

    @Test("a wanted member that occurs twice is reported, however its key is spelled")
    func duplicates() throws {
        let top = try #require(
            withBytes("{\"model\":1,\"mode\\u006c\":2,\"z\":1,\"z\":2}") { JSONScan.topLevel($0, wanted: ["model"]) }
        )
        #expect(top.hasDuplicate)
        #expect(top[0] == 9..<10)
        let other = try #require(withBytes("{\"z\":1,\"z\":2}") { JSONScan.topLevel($0, wanted: ["model"]) })
        #expect(!other.hasDuplicate)
    }

    @Test("what is not an object has no members", arguments: ["[]", "1", "\"a\"", "{} {}", ""])
    func notAnObject(_ text: String) {
        #expect(withBytes(text) { JSONScan.topLevel($0, wanted: []) } == nil)
    }
}
