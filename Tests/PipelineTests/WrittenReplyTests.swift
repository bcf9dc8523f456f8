import GatewayCore
import NIOCore
import TestKit
import Testing
import WireFormats

@testable import Pipeline

@Suite("Written replies")
struct WrittenReplyTests {
    /// A client that takes one piece at a time.
    @WorkerLoop
    private final class SlowReader: ReplySink {
        let reply: WrittenReply
        private(set) var observed = 0
        private(set) var pieces: [ByteBuffer] = []
        private(set) var isEnded = false

        init(_ reply: WrittenReply) { self.reply = reply }

        func observe(_ payload: UnsafeRawBufferPointer) { observed += payload.count }

        func receive(_ raw: ByteBuffer, isLast: Bool) {
            pieces.append(raw)
            isEnded = isLast
            reply.setReading(false)
        }

        func fail(_ error: GatewayError) { Issue.record("a written reply does not fail: \(error.detail)") }
    }

    @WorkerLoop
    private static func reply(_ bytes: Int, in memory: HeldBytes) throws -> WrittenReply {
        var text = ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Length: \(bytes)\r\n\r\n")
        var parser = ResponseParser()
        let head = try #require(try parser.parse(&text, toHeadRequest: false))
        return try WrittenReply(head, ByteBuffer(repeating: 0x78, count: bytes), in: memory)
    }

    @Test("a large one is handed on piece by piece, and counts until its reader has all of it")
    func slowReader() async throws {
        try await TestLoop.run { () async throws in
            let memory = HeldBytes(limit: 1 << 20)
            let reply = try Self.reply(300_000, in: memory)
            let reader = SlowReader(reply)
            reply.relay(to: reader)
            #expect(reader.pieces.count == 1 && reader.observed == 65_536)
            for _ in 0..<10 where !reader.isEnded {
                #expect(memory.held == 300_000)
                reply.setReading(true)
            }
            #expect(reader.isEnded && reader.observed == 300_000)
            #expect(reader.pieces.reduce(0) { $0 + $1.readableBytes } == 300_000)
            #expect(memory.held == 0)
            // What still waits in a socket does not hold the rest.
            #expect(reader.pieces.allSatisfy { $0.storageCapacity <= 131_072 })
            reply.setReading(true)
            #expect(reader.observed == 300_000)
        }
    }

    @Test("one that is given up, or forgotten, gives its memory back")
    func givenUp() async throws {
        try await TestLoop.run { () async throws in
            let memory = HeldBytes(limit: 1 << 20)
            var reply: WrittenReply? = try Self.reply(200_000, in: memory)
            #expect(memory.held == 200_000)
            reply?.cancel()
            #expect(memory.held == 0)
            reply = try Self.reply(200_000, in: memory)
            #expect(memory.held == 200_000)
            reply = nil
            #expect(memory.held == 0)
        }
    }

    @Test("a small one costs nothing, one that does not fit is refused")
    func bounds() async throws {
        try await TestLoop.run { () async throws in
            let memory = HeldBytes(limit: 100_000)
            let small = try Self.reply(0, in: memory)
            let reader = SlowReader(small)
            small.relay(to: reader)
            #expect(reader.isEnded && reader.pieces.count == 1 && memory.held == 0)
            do {
                _ = try Self.reply(100_001, in: memory)
                Issue.record("there is no room for it")
            } catch {
                #expect((error as? GatewayError)?.kind == .notReady)
            }
        }
    }
}
