import GatewayCore
import NIOCore
import TestKit
import Testing

@Suite("Request bodies in memory")
struct RequestBodyTests {
    /// A piece as a TLS connection reads it: a few bytes in a large buffer.
    private static func piece(_ bytes: Int, of capacity: Int) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(capacity)
        buffer.writeRepeatingByte(0x79, count: bytes)
        return buffer
    }

    @Test(
        "pieces hold no more memory than they have bytes, whatever buffers they were read into",
        arguments: [(100, 2048), (1100, 2048), (1100, 32_768), (5000, 32_768), (60_000, 65_536)]
    )
    func memory(bytes: Int, capacity: Int) async throws {
        await TestLoop.run {
            let body = RequestBody()
            body.waitsForWhole = true
            for _ in 0..<64 { body.append(Self.piece(bytes, of: capacity)) }
            var held = 0
            var count = 0
            body.rewind {}
            while let part = body.next() {
                held += part.storageCapacity
                count += part.readableBytes
            }
            #expect(count == 64 * bytes)
            // The first piece stays where it was read: there is one of it per connection.
            #expect(held <= 4 * count + capacity)
        }
    }

    @Test("a dropped body is gone, and its size is not forgotten")
    func dropped() async throws {
        await TestLoop.run {
            let body = RequestBody()
            body.waitsForWhole = true
            body.append(ByteBuffer(string: "one"))
            body.append(ByteBuffer(string: "two"))
            body.finish()
            #expect(body.whole() == ByteBuffer(string: "onetwo"))
            body.drop()
            #expect(body.received == 6 && body.state == .complete && !body.canReplay)
            #expect(body.whole() == nil && body.copy == nil && body.next() == nil)
        }
    }
}
