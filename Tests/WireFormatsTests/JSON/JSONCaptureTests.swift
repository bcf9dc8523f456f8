import NIOCore
import Testing
import WireFormats

@Suite("Capturing members of a passing document")
struct JSONCaptureTests {
    private static let reply =
        #" {"id":"x\"}{","choices":[{"usage":{"no":1}},"]\\"], "us\u0061ge" : {"in":1,"s":"}\"{"} ,"model":"gpt\"4","n":12 ,"#
        + #""t":true,"model":"second","last":-1.5e3}"#

    @Test("the wanted members come out whole, wherever the document is cut")
    func cutAnywhere() {
        let bytes = Array(Self.reply.utf8)
        for cut in 0...bytes.count {
            var capture = JSONCapture(wanted: ["usage", "model", "n", "last", "absent", "no"])
            withBytes(Array(bytes[..<cut])) { capture.feed($0) }
            #expect(capture.isComplete == (cut == bytes.count))
            withBytes(Array(bytes[cut...])) { capture.feed($0) }
            expectWhole(capture)
        }
        var capture = JSONCapture(wanted: ["usage", "model", "n", "last", "absent", "no"])
        for byte in bytes { withBytes([byte]) { capture.feed($0) } }
        expectWhole(capture)
    }

    private func expectWhole(_ capture: JSONCapture) {
        #expect(capture.isComplete && !capture.isBroken)
        #expect(capture.value(0)?.text == #"{"in":1,"s":"}\"{"}"#)
        #expect(capture.value(1)?.text == #""gpt\"4""#)
        #expect(capture.value(2)?.text == "12")
        #expect(capture.value(3)?.text == "-1.5e3")
        #expect(capture.value(4) == nil)
        #expect(capture.value(5) == nil)
    }

    @Test("a value is there as soon as it has passed, not before")
    func timing() {
        var capture = JSONCapture(wanted: ["a", "b"])
        withBytes("{\"a\":[1") { capture.feed($0) }
        #expect(capture.value(0) == nil)
        withBytes("],\"b\":12") { capture.feed($0) }
        #expect(capture.value(0)?.text == "[1]")
        #expect(capture.value(1) == nil)
        withBytes("3}") { capture.feed($0) }
        #expect(capture.value(1)?.text == "123")
    }

    @Test("a value beyond the limit is dropped and later ones are kept")
    func limit() {
        var capture = JSONCapture(wanted: ["a", "b", "c"], limitPerMember: 10)
        withBytes(#"{"a":"123456789","b":"12345678","c":{"d":[1,2,3,4]}}"#) { capture.feed($0) }
        #expect(capture.isComplete)
        #expect(capture.value(0) == nil)
        #expect(capture.value(1)?.text == #""12345678""#)
        #expect(capture.value(2) == nil)
    }

    @Test("an endless key matches nothing and takes no memory")
    func longKey() {
        var capture = JSONCapture(wanted: ["a"])
        withBytes("{\"" + String(repeating: "a", count: 100_000) + "\":1,\"a\":2}") { capture.feed($0) }
        #expect(capture.value(0)?.text == "2")
    }

    @Test(
        "what is no object is broken",
        arguments: ["[1]", "x", "{x", "{\"a\" 1", "{\"a\":}", "{\"a\":1]", "{,", "{\"a\":1,}"])
    func broken(_ text: String) {
        var capture = JSONCapture(wanted: ["a"])
        withBytes(text) { capture.feed($0) }
        #expect(capture.isBroken && !capture.isComplete)
    }

    @Test("what follows the object is not looked at")
    func afterTheEnd() {
        var capture = JSONCapture(wanted: ["a"])
        withBytes("{} {\"a\":1}") { capture.feed($0) }
        #expect(capture.isComplete && capture.value(0) == nil)
    }

    @Test("it finds what the scan of the whole document finds", arguments: UInt64(1)...4)
    func againstScan(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let wanted: [StaticString] = ["a", "b", "é"]
        for _ in 0..<200 {
            let text = Self.object(&random, depth: 0)
            let bytes = Array(text.utf8)
            let top = try #require(withBytes(bytes) { JSONScan.topLevel($0, wanted: wanted) }, "\(text)")
            var capture = JSONCapture(wanted: wanted)
            var at = 0
            while at < bytes.count {
                let end = min(bytes.count, at + Int.random(in: 1...9, using: &random))
                withBytes(Array(bytes[at..<end])) { capture.feed($0) }
                at = end
            }
            #expect(capture.isComplete)
            for index in wanted.indices {
                let found = top[index].map { String(decoding: bytes[$0], as: UTF8.self) }
                #expect(capture.value(index)?.text == found, "\(text)")
            }
        }
    }

    private static func object(_ random: inout SeededGenerator, depth: Int) -> String {
        let keys = ["a", "b", "é", "\\u0061", "c\\\"", "x"]
        let members = (0..<Int.random(in: 0...4, using: &random)).map { _ in
            "\(space(&random))\"\(keys.randomElement(using: &random) ?? "a")\"\(space(&random)):\(value(&random, depth: depth))"
        }
        return space(&random) + "{" + members.joined(separator: ",") + space(&random) + "}" + space(&random)
    }

    private static func value(_ random: inout SeededGenerator, depth: Int) -> String {
        let core: String
        switch Int.random(in: 0..<(depth < 3 ? 8 : 6), using: &random) {
        case 0: core = "null"
        case 1: core = "-12.5e+3"
        case 2: core = "\"}]\\\\\""
        case 3: core = "\"\\\"é\\u00e9,\""
        case 4: core = "0"
        case 5: core = "true"
        case 6: core = object(&random, depth: depth + 1)
        default: core = "[" + (0..<3).map { _ in value(&random, depth: depth + 1) }.joined(separator: ",") + "]"
        }
        return space(&random) + core + space(&random)
    }

    private static func space(_ random: inout SeededGenerator) -> String {
        ["", "", " ", "\n\t"].randomElement(using: &random) ?? ""
    }
}
