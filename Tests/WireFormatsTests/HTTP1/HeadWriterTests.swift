import GatewayCore
import NIOCore
import Testing
import WireFormats

@Suite("Writing heads and chunks")
struct HeadWriterTests {
    @Test("a written request head reads back as it was meant")
    func requestHead() throws {
        var buffer = ByteBuffer()
        HeadWriter.requestLine("POST", "/v1/chat?a=\u{e9} b", into: &buffer)
        HeadWriter.field("Host", "api.example", into: &buffer)
        HeadWriter.field("Content-Length", number: 1_234_567, into: &buffer)
        HeadWriter.field(named: "X-Run", "time", into: &buffer)
        HeadWriter.endOfHead(into: &buffer)
        var parser = RequestParser()
        let head = try #require(try parser.parse(&buffer))
        #expect(head.text(head.target) == "/v1/chat?a=%C3%A9%20b")
        #expect(head.framing == .length(1_234_567))
        #expect(head.value(named: "x-run") == "time")
    }

    @Test("no value can end its line or smuggle a field")
    func injection() {
        var buffer = ByteBuffer()
        HeadWriter.field("X-A", "one\r\nX-B: two\u{00}\u{7f}\tthree", into: &buffer)
        HeadWriter.field(named: "X-C\r\nX-D", "four", into: &buffer)
        HeadWriter.field(named: "", "five", into: &buffer)
        #expect(buffer.text == "X-A: one  X-B: two  \tthree\r\n")
    }

    @Test("fields are copied as they stood, with one space after the colon")
    func copies() throws {
        var source = ByteBuffer(string: "GET / HTTP/1.1\r\nHOST: a\r\nX-1:x\r\nX-2: \t y \r\nX-3:\r\nX-4:\tz\r\n\r\n")
        var parser = RequestParser()
        let head = try #require(try parser.parse(&source))
        var concrete = ByteBuffer()
        var generic = ByteBuffer()
        func copy(_ field: FieldSlice, of head: some MessageHead) { HeadWriter.copy(field, of: head, into: &generic) }
        for field in head.fields {
            HeadWriter.copy(field, of: head, into: &concrete)
            copy(field, of: head)
        }
        #expect(concrete.text == "HOST: a\r\nX-1: x\r\nX-2: y\r\nX-3: \r\nX-4: z\r\n")
        #expect(generic == concrete)
    }

    @Test("a status line carries the registered phrase")
    func statusLine() {
        var buffer = ByteBuffer()
        HeadWriter.statusLine(404, into: &buffer)
        HeadWriter.statusLine(299, into: &buffer)
        #expect(buffer.text == "HTTP/1.1 404 Not Found\r\nHTTP/1.1 299 \r\n")
    }

    @Test("numbers are written in full", arguments: [0, 7, 10, -5, Int.max, Int.min])
    func numbers(_ number: Int) {
        var buffer = ByteBuffer()
        HeadWriter.field("N", number: number, into: &buffer)
        #expect(buffer.text == "N: \(number)\r\n")
    }

    @Test("written chunks read back, whatever their size", arguments: [1, 9, 10, 15, 16, 17, 255, 256, 4_096, 70_000])
    func chunks(_ size: Int) throws {
        var buffer = ByteBuffer()
        HeadWriter.chunk(ByteBuffer(repeating: 0x61, count: size), into: &buffer)
        HeadWriter.chunk(ByteBuffer(), into: &buffer)
        #expect(buffer.text.hasPrefix(String(size, radix: 16) + "\r\n"))
        HeadWriter.lastChunk(into: &buffer)
        var follower = BodyFollower(.chunked)
        var received = 0
        let progress = try buffer.withUnsafeReadableBytes { try follower.follow($0) { received += $0.count } }
        #expect(progress.isComplete && progress.consumed == buffer.readableBytes && received == size)
    }
}
