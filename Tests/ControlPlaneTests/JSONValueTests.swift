import ControlPlane
import Testing

@Suite("JSONValue")
struct JSONValueTests {
    @Test(
        "numbers, order and text come back as they were",
        arguments: [
            #"{"b":1.10,"a":[1e400,-0.0,12345678901234567890123],"t":"ä\u001f\"\\"}"#, "[]", "{}", "null", "true",
            "\"\"",
        ])
    func roundTrip(text: String) throws {
        #expect(try JSONValue(parsing: text).encoded == text)
    }

    @Test(
        "escapes are read",
        arguments: [
            (#""\u00e4\n\/\ud83d\ude00""#, "ä\n/😀"), (#""\b\f\r\t""#, "\u{8}\u{c}\r\t"),
        ])
    func escapes(text: String, expected: String) throws {
        #expect(try JSONValue(parsing: text) == .string(expected))
    }

    @Test(
        "what is no JSON is refused",
        arguments: [
            "", " ", "{", "[1,]", "{\"a\":1,}", "01", "1.", ".5", "+1", "1e", "nul", "\"\u{1}\"", #""\x""#,
            #""\ud800""#,
            #""\u+123""#, "1 2", "{a:1}", "'a'", "NaN", "\"abc",
        ])
    func malformed(text: String) {
        #expect(throws: JSONValue.Malformed.self) { try JSONValue(parsing: text) }
    }

    @Test("invalid UTF-8 and endless nesting are refused")
    func hostile() {
        #expect(throws: JSONValue.Malformed.self) { try JSONValue(parsing: [0x22, 0xff, 0x22]) }
        let deep = String(repeating: "[", count: 100_000)
        #expect(throws: JSONValue.Malformed.self) { try JSONValue(parsing: deep) }
        let allowed = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
        #expect(throws: Never.self) { try JSONValue(parsing: allowed) }
    }

    @Test("whole numbers are recognised however they are written")
    func integers() {
        #expect(JSONValue.number("1.0").integer == 1)
        #expect(JSONValue.number("1e3").integer == 1000)
        #expect(JSONValue.number("-7").integer == -7)
        #expect(JSONValue.number("1.5").integer == nil)
        #expect(JSONValue.number("1e300").integer == nil)
        #expect(JSONValue.string("1").integer == nil)
    }
}
