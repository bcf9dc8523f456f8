import GatewayCore
import NIOCore
import Testing

@Suite("Record encoder")
struct RecordEncoderTests {
    @Test("a record is whole whatever room was estimated", arguments: [0, 1, 17, 100, 4096])
    func estimate(_ room: Int) throws {
        var record = RequestRecord(
            id: LogID(high: 1, low: .max), eventID: "e", account: "a", gateway: "g",
            createdAt: Instant(microseconds: -5)
        )
        record.path = String(repeating: "ä", count: 90)
        record.usage.output = 0
        record.requestBody = ByteBuffer(repeating: 7, count: 300)
        var buffer = ByteBuffer(string: "before")
        let length = buffer.writeRecord(estimate: room) { record.encode(into: &$0) }
        #expect(buffer.readString(length: 6) == "before")
        #expect(buffer.readableBytes == length)
        #expect(RequestRecord(decoding: buffer) == record)
    }

    @Test("variable-length integers keep every width", arguments: [0, 1, 127, 128, 16_383, 16_384, UInt64.max])
    func integers(_ value: UInt64) throws {
        var buffer = ByteBuffer()
        buffer.writeRecord(estimate: 64) { $0.write(.requestSize, value) }
        var expected = TaggedWriter()
        expected.write(RecordField.requestSize.rawValue, value)
        #expect(buffer == expected.buffer)
    }

    @Test("usage of which nothing is known leaves no trace")
    func emptyUsage() {
        var buffer = ByteBuffer()
        buffer.writeRecord(estimate: 64) { $0.write(.usage, Usage()) }
        #expect(buffer.readableBytes == 0)
    }

    @Test("texts match with letters of either case and nothing else")
    func matches() {
        func matches(_ text: StaticString, _ other: String) -> Bool {
            var other = other
            return other.withUTF8 { text.matches(UnsafeRawBufferPointer($0), 0..<$0.count) }
        }
        #expect(matches("authorization", "AuThOrIzAtIoN"))
        #expect(matches("x-api-key", "X-API-KEY"))
        #expect(matches("te", "TE"))
        #expect(matches("", ""))
        #expect(!matches("x-api-key", "x-api-kez"))
        #expect(!matches("x-api-key", "x\rapi-key"))
        #expect(!matches("x-api-keys", "X-API-KEY"))
        #expect(!matches("http2-settings", "http\u{12}-settings"))
        #expect(!matches("application/json", "application\u{f}json"))
        #expect(!matches("aws4", "aws\u{14}"))
    }
}
