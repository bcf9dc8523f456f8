import NIOCore
import RedisStore
import Testing

@Suite("Redis' protocol")
struct CodecTests {
    @Test("a command is an array of counted arguments")
    func command() {
        var command = RedisCommand("SET", "k")
        command.append(12)
        command.append(ByteBuffer(bytes: [0, 13, 10]))
        var buffer = ByteBuffer()
        #expect(command.write(into: &buffer))
        #expect(
            Array(buffer.readableBytesView) == Array("*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n12\r\n$3\r\n\0\r\n\r\n".utf8))
        #expect(!RedisCommand().write(into: &buffer))
    }

    private static let stream =
        "+OK\r\n-ERR no\r\n:-42\r\n$5\r\nhello\r\n$0\r\n\r\n$-1\r\n*3\r\n:1\r\n*2\r\n+a\r\n$-1\r\n$2\r\n\r\n\r\n*-1\r\n*0\r\n"
    private static let replies: [RedisReply] = [
        .status("OK"), .error("ERR no"), .integer(-42), .bytes(ByteBuffer(string: "hello")), .bytes(ByteBuffer()),
        .null, .array([.integer(1), .array([.status("a"), .null]), .bytes(ByteBuffer(string: "\r\n"))]), .null,
        .array([]),
    ]

    @Test("replies are the same however the bytes are cut", arguments: 1...(stream.utf8.count))
    func cuts(size: Int) throws {
        let reader = try #require(ReplyReader())
        let bytes = Array(Self.stream.utf8)
        var found: [RedisReply] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            try reader.feed(ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)]))
            while let reply = try reader.next() { found.append(reply) }
        }
        #expect(found == Self.replies)
    }

    @Test(
        "bytes that are not Redis' protocol are an error, not a crash",
        arguments: ["HTTP/1.1 200 OK\r\n", "$-5\r\n", ":abc\r\n", "*1\r\n?\r\n", "\0\0\0"]
    )
    func garbage(text: String) throws {
        let reader = try #require(ReplyReader())
        try reader.feed(ByteBuffer(string: text))
        #expect(throws: RedisStoreError.self) {
            while try reader.next() != nil {}
            throw RedisStoreError("the parser waits for more")
        }
    }

    @Test("nesting has an end")
    func nesting() throws {
        let reader = try #require(ReplyReader())
        try reader.feed(ByteBuffer(string: String(repeating: "*1\r\n", count: 64)))
        #expect(throws: RedisStoreError.self) { try reader.next() }
    }

    @Test("a reply that does not end is given up")
    func endless() throws {
        let reader = try #require(ReplyReader())
        try reader.feed(ByteBuffer(string: "$999999999\r\n"))
        let piece = ByteBuffer(repeating: 0x61, count: 8 << 20)
        #expect(throws: RedisStoreError.self) {
            for _ in 0..<9 {
                try reader.feed(piece)
                #expect(try reader.next() == nil)
            }
        }
    }
}
