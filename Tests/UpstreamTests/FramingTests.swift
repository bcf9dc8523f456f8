import GatewayCore
import NIOCore
import Testing

@testable import Upstream

@Suite("Request framing")
struct FramingTests {
    private func text(_ buffers: [ByteBuffer]) -> String { buffers.map { String(buffer: $0) }.joined() }

    @Test("a body of a length passes as it is, and is done with its last byte")
    func length() throws {
        var framer = BodyFramer(.length(5))
        var out: [ByteBuffer] = []
        try framer.frame(ByteBuffer(string: "abc")) { out.append($0) }
        #expect(!framer.isDone)
        try framer.frame(ByteBuffer(string: "de")) { out.append($0) }
        #expect(framer.isDone)
        try framer.finish { out.append($0) }
        #expect(text(out) == "abcde")
    }

    @Test("neither more nor fewer bytes than announced are sent")
    func mismatch() throws {
        var long = BodyFramer(.length(2))
        #expect(throws: BodyFramer.Mismatch.tooLong) { try long.frame(ByteBuffer(string: "abc")) { _ in } }
        var short = BodyFramer(.length(2))
        try short.frame(ByteBuffer(string: "a")) { _ in }
        #expect(throws: BodyFramer.Mismatch.tooShort) { try short.finish { _ in } }
        var none = BodyFramer(.none)
        #expect(none.isDone)
        #expect(throws: BodyFramer.Mismatch.tooLong) { try none.frame(ByteBuffer(string: "a")) { _ in } }
    }

    @Test("a chunked body is framed piece by piece, and empty pieces do not end it")
    func chunked() throws {
        var framer = BodyFramer(.chunked)
        var out: [ByteBuffer] = []
        try framer.frame(ByteBuffer(string: "hello")) { out.append($0) }
        try framer.frame(ByteBuffer()) { out.append($0) }
        try framer.frame(ByteBuffer(repeating: 0x78, count: 26)) { out.append($0) }
        #expect(!framer.isDone)
        try framer.finish { out.append($0) }
        #expect(framer.isDone)
        #expect(text(out) == "5\r\nhello\r\n1a\r\n\(String(repeating: "x", count: 26))\r\n0\r\n\r\n")
    }

    @Test("small pieces leave in one write, large ones are not copied together, and the order is kept")
    func batching() {
        var writes: [ByteBuffer] = []
        var batch = WriteBatch(ByteBuffer(string: "head"))
        batch.add(ByteBuffer(string: "body")) { writes.append($0) }
        batch.add(ByteBuffer()) { writes.append($0) }
        batch.end { writes.append($0) }
        batch.end { writes.append($0) }
        #expect(writes.map { String(buffer: $0) } == ["headbody"])

        writes = []
        let large = ByteBuffer(repeating: 0x61, count: WriteBatch.joinedLimit)
        batch = WriteBatch(ByteBuffer(string: "head"))
        batch.add(large) { writes.append($0) }
        batch.add(ByteBuffer(string: "tail")) { writes.append($0) }
        batch.end { writes.append($0) }
        #expect(writes.map(\.readableBytes) == [4, WriteBatch.joinedLimit, 4])
    }

    @Test("what was added is not changed by joining")
    func batchingCopies() {
        let head = ByteBuffer(string: "head")
        var batch = WriteBatch(head)
        batch.add(ByteBuffer(string: "body")) { _ in }
        batch.end { _ in }
        #expect(String(buffer: head) == "head")
    }
}
