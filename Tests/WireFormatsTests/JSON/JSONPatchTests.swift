import NIOCore
import Testing
import WireFormats

@Suite("Patching and writing JSON")
struct JSONPatchTests {
    @Test("a replaced value leaves everything else byte for byte")
    func replace() throws {
        let document = ByteBuffer(string: "{ \"model\" : \"a\",\"x\":1.50 }")
        let top = try #require(document.withUnsafeReadableBytes { JSONScan.topLevel($0, wanted: ["model"]) })
        let patched = JSONPatch.replace(try #require(top[0]), withString: "b\"c\né", in: document)
        #expect(patched.text == "{ \"model\" : \"b\\\"c\\né\",\"x\":1.50 }")
        #expect(JSONPatch.replace(0..<100, with: ByteBuffer(), in: document) == document)
    }

    @Test("ranges count from the reader index")
    func readerIndex() {
        var document = ByteBuffer(string: "junk{\"a\":1}")
        document.moveReaderIndex(forwardBy: 4)
        #expect(JSONPatch.replace(5..<6, with: ByteBuffer(string: "22"), in: document).text == "{\"a\":22}")
        #expect(JSONPatch.insertMember("b", rawValue: "[]", in: document).text == "{\"b\":[],\"a\":1}")
    }

    @Test("members are inserted first, into empty objects and nested ones")
    func insert() {
        #expect(JSONPatch.insertMember("a", rawValue: "1", in: ByteBuffer(string: " { } ")).text == " {\"a\":1 } ")
        let nested = ByteBuffer(string: "{\"o\": {\"x\":2}}")
        #expect(
            JSONPatch.insertMember("a", rawValue: "1", in: nested, objectStart: 6).text == "{\"o\": {\"a\":1,\"x\":2}}")
        let array = ByteBuffer(string: "[1]")
        #expect(JSONPatch.insertMember("a", rawValue: "1", in: array) == array)
        #expect(JSONPatch.insertMember("a", rawValue: "1", in: array, objectStart: 9) == array)
    }

    @Test(
        "a removed member takes its key and one comma with it",
        arguments: [
            ("{\"k\":1}", "{}"), ("{\"k\":1,\"b\":2}", "{\"b\":2}"), ("{\"a\":0 , \"k\" : 1 }", "{\"a\":0  }"),
            ("{\"a\":\",\",\"k\":1,\"b\":2}", "{\"a\":\",\",\"b\":2}"), ("{ \"\\u006b\":1, \"b\":2}", "{ \"b\":2}"),
        ]
    )
    func remove(_ text: String, _ expected: String) throws {
        let document = ByteBuffer(string: text)
        let top = try #require(document.withUnsafeReadableBytes { JSONScan.topLevel($0, wanted: ["k"]) })
        let result = JSONPatch.removeMember(valueRange: try #require(top[0]), in: document)
        #expect(result.text == expected)
        #expect(result.withUnsafeReadableBytes { JSONScan.validate($0) })
    }

    @Test("removing something that is no member changes nothing", arguments: ["[1,2]", "1", "{}"])
    func removeNothing(_ text: String) {
        let document = ByteBuffer(string: text)
        for low in 0..<text.utf8.count {
            #expect(JSONPatch.removeMember(valueRange: low..<low, in: document) == document)
        }
    }

    @Test("any text survives quoting and reading", arguments: UInt64(1)...4)
    func quoting(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            var text = ""
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                let limit: UInt32 = [0x20, 0x80, 0x800, 0xD800, 0x11_0000].randomElement(using: &random) ?? 0x80
                if let scalar = Unicode.Scalar(UInt32.random(in: 0..<limit, using: &random)) {
                    text.unicodeScalars.append(scalar)
                }
            }
            let quoted = JSONPatch.quoted(text)
            #expect(withBytes(quoted) { JSONScan.validate($0) })
            #expect(
                withBytes(quoted) { JSONView($0).string }?.unicodeScalars.elementsEqual(text.unicodeScalars) == true)
        }
    }

    @Test("the writer puts commas where they belong")
    func writer() {
        var writer = JSONWriter(ByteBuffer(string: "data: "))
        writer.beginObject()
        writer.key("a")
        writer.int(-1)
        writer.key(named: "b\"")
        writer.beginArray()
        writer.string("\u{1f}\u{8}")
        writer.bool(true)
        writer.null()
        writer.beginObject()
        writer.endObject()
        writer.beginArray()
        writer.endArray()
        writer.double(0.5)
        writer.double(.infinity)
        writer.endArray()
        writer.key("raw")
        writer.raw("{\"x\":1}")
        writer.key("more")
        writer.raw(ByteBuffer(string: "2"))
        writer.endObject()
        #expect(
            writer.buffer.text
                == "data: {\"a\":-1,\"b\\\"\":[\"\\u001f\\b\",true,null,{},[],0.5,null],\"raw\":{\"x\":1},\"more\":2}"
        )
    }
}
