import GatewayCore
import NIOCore
import Testing
import WireFormats

@Suite("Request smuggling")
struct SmugglingTests {
    @Test("an ambiguous request is refused with its reason", arguments: SmugglingCorpus.refused)
    func refused(_ request: String, _ error: HTTP1Error) {
        #expect(throws: error) { try read(Self.latin1(request), step: .max) }
        #expect(!error.reason.isEmpty)
    }

    @Test("cutting it into bytes does not get an ambiguous request through", arguments: SmugglingCorpus.refused)
    func refusedSlowly(_ request: String, _ error: HTTP1Error) {
        #expect(throws: error) { try read(Self.latin1(request), step: 1) }
    }

    @Test("an unusual request with one meaning is read", arguments: SmugglingCorpus.accepted)
    func accepted(_ request: String, _ body: String) throws {
        #expect(try read(Self.latin1(request), step: .max) == Array(body.utf8))
        #expect(try read(Self.latin1(request), step: 1) == Array(body.utf8))
    }

    /// The corpus spells bytes as the scalars U+0000 to U+00FF.
    private static func latin1(_ text: String) -> [UInt8] {
        text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
    }

    /// Reads one request that arrives in pieces of `step` bytes and returns its payload.
    private func read(_ bytes: [UInt8], step: Int) throws -> [UInt8] {
        var buffer = ByteBuffer()
        var parser = RequestParser()
        var head: RequestHead?
        var at = 0
        while head == nil {
            try #require(at < bytes.count, "the request ended before its head did")
            let end = step > bytes.count - at ? bytes.count : at + step
            buffer.writeBytes(bytes[at..<end])
            at = end
            head = try parser.parse(&buffer)
        }
        var follower = BodyFollower(try #require(head).framing)
        var payload: [UInt8] = []
        while !follower.isComplete {
            if buffer.readableBytes == 0 {
                try #require(at < bytes.count, "the request ended before its body did")
                let end = step > bytes.count - at ? bytes.count : at + step
                buffer.writeBytes(bytes[at..<end])
                at = end
            }
            let piece = Array(buffer.readableBytesView)
            let progress = try withBytes(piece) { try follower.follow($0) { payload.append(contentsOf: $0) } }
            buffer.moveReaderIndex(forwardBy: progress.consumed)
        }
        #expect(buffer.readableBytes == 0 && at == bytes.count)
        return payload
    }
}
