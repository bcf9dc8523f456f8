import GatewayCore
import NIOCore
import Testing
import WireFormats

@Suite("Message bodies")
struct BodyFollowerTests {
    private static let chunked =
        "5\r\nhello\r\n1;a=b\r\n,\r\nA\r\n world\r\n\r\n\r\n0\r\nX-Trailer: y\r\n\r\n"

    @Test("a chunked body cut at any two places gives the same payload and the same end")
    func cutTwice() throws {
        let bytes = Array((Self.chunked + "GET /next").utf8)
        for first in 0..<bytes.count {
            for second in first..<bytes.count where (second - first) % 3 == 0 {
                var follower = BodyFollower(.chunked)
                var payload: [UInt8] = []
                var consumed = 0
                for piece in [bytes[..<first], bytes[first..<second], bytes[second...]] {
                    let progress = try withBytes(Array(piece)) {
                        try follower.follow($0) { payload.append(contentsOf: $0) }
                    }
                    consumed += progress.consumed
                    #expect(progress.isComplete == follower.isComplete)
                }
                #expect(consumed == Self.chunked.utf8.count)
                #expect(follower.isComplete && follower.sawExtensionOrTrailer)
                #expect(String(decoding: payload, as: UTF8.self) == "hello, world\r\n\r\n")
            }
        }
    }

    @Test("whole chunks are handed out in one run each, in place")
    func runs() throws {
        var follower = BodyFollower(.chunked)
        var runs: [Int] = []
        try withBytes("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n") { bytes in
            let progress = try follower.follow(bytes) { run in
                if let start = run.baseAddress, let base = bytes.baseAddress { runs.append(start - base) }
            }
            #expect(progress == BodyFollower.Progress(consumed: bytes.count, isComplete: true))
        }
        #expect(runs == [3, 11])
        #expect(!follower.sawExtensionOrTrailer)
    }

    @Test("a counted body ends at its length and leaves the rest")
    func counted() throws {
        var follower = BodyFollower(.length(5))
        var payload: [UInt8] = []
        #expect(try withBytes("hel") { try follower.follow($0) { payload.append(contentsOf: $0) } }.consumed == 3)
        #expect(!follower.isComplete)
        let progress = try withBytes("loGET") { try follower.follow($0) { payload.append(contentsOf: $0) } }
        #expect(progress == BodyFollower.Progress(consumed: 2, isComplete: true))
        #expect(payload == Array("hello".utf8))
        #expect(
            try withBytes("GET") { try follower.follow($0) { _ in Issue.record("payload after the end") } }.consumed
                == 0)
    }

    @Test("messages without a body are complete at once")
    func none() {
        #expect(BodyFollower(.none).isComplete)
        #expect(BodyFollower(.length(0)).isComplete)
        #expect(!BodyFollower(.chunked).isComplete)
        #expect(!BodyFollower(.untilClose).isComplete)
    }

    @Test("a body that ends with its connection takes everything, and only it survives the connection's end")
    func untilClose() throws {
        var follower = BodyFollower(.untilClose)
        let progress = try withBytes("anything") { try follower.follow($0) { #expect($0.count == 8) } }
        #expect(progress == BodyFollower.Progress(consumed: 8, isComplete: false))
        try follower.finish()
        #expect(follower.isComplete)

        var counted = BodyFollower(.length(1))
        #expect(throws: HTTP1Error.unexpectedEnd) { try counted.finish() }
        var chunked = BodyFollower(.chunked)
        #expect(throws: HTTP1Error.unexpectedEnd) { try chunked.finish() }
    }

    @Test("copying a follower copies its position")
    func value() throws {
        var follower = BodyFollower(.chunked)
        _ = try withBytes("5\r\nhe") { try follower.follow($0) { _ in } }
        var copy = follower
        var payload: [UInt8] = []
        for _ in 0..<2 {
            _ = try withBytes("llo\r\n0\r\n\r\n") { try copy.follow($0) { payload.append(contentsOf: $0) } }
            copy = follower
        }
        #expect(String(decoding: payload, as: UTF8.self) == "llollo")
    }
}
