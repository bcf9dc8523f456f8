import GatewayCore
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing
import WireFormats

/// The parser against NIOHTTP1's llhttp: whatever ours accepts, llhttp accepts too and reads the same way.
///
/// The other direction does not hold, on purpose. Ours alone refuses: a missing, repeated or malformed Host; targets
/// that are not in origin form or hold `#`; repeated Content-Length even when equal; Transfer-Encoding other than
/// exactly `chunked`, and any in HTTP/1.0; control characters in values; space around chunk extensions; more than four
/// empty lines before a request. Ours alone accepts one thing: methods llhttp has no name for. And ours cuts whitespace
/// after a value off (RFC 9110 §5.5), which NIOHTTP1 leaves to its caller.
@Suite("Against llhttp")
struct DifferentialTests {
    private static let seeds = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /v1/chat HTTP/1.1\r\nHost: a.example:80\r\nContent-Length: 11\r\nContent-Type: text/plain\r\n\r\nhello world",
        "POST /v1/chat?x=y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n",
        "PUT /a HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close, x\r\nX-Empty:\r\nX-Tab:\ta\tb \r\n\r\n",
        "DELETE /a/b/c HTTP/1.1\r\nHost: [::1]\r\nAccept: */*\r\nUser-Agent: x/1 (y; z)\r\nExpect: 100-continue\r\n\r\n",
    ]
    private static let tokens = [
        "\r\n", "\n", "\r", " ", "\t", ":", ",", ";", "0", "5", "\r\n\r\n", "\u{00}", "\u{7f}", "\u{e9}", "\"", "#",
        "*",
        "Content-Length: 5\r\n", "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n", "Host: b\r\n",
        "Connection: close\r\n", "Transfer-Encoding:", "Content-Length:", " HTTP/1.1", "chunked", "identity, ", ";x=y",
        "5\r\nhello\r\n", "0\r\n\r\n", "\r\n ", "GET / HTTP/1.1\r\n", "X: y\r\n", "1.0", "-", "+", "%", "a", "F",
    ]

    @Test("what is accepted here is read the same by llhttp", arguments: UInt64(1)...8)
    func agreement(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var accepted = 0
        for _ in 0..<700 {
            let bytes = Self.mutant(&random)
            guard let own = Self.readOwn(bytes) else { continue }
            guard NIOHTTP1.HTTPMethod(rawValue: own.method).isKnown else { continue }
            accepted += 1
            let other = Self.readNIO(bytes)
            #expect(other == own, "differs on \(String(decoding: bytes, as: UTF8.self).debugDescription)")
        }
        // Enough mutants must get through for the comparison to mean something.
        #expect(accepted > 100)
    }

    @Test("the unmutated requests are read the same by both", arguments: seeds)
    func seedsAgree(_ request: String) throws {
        let own = try #require(Self.readOwn(Array(request.utf8)))
        #expect(own.isComplete)
        #expect(Self.readNIO(Array(request.utf8)) == own)
    }

    /// What a reader made of the first request in some bytes.
    private struct Reading: Equatable {
        var method: String
        var target: String
        var isHTTP11: Bool
        var fields: [String]
        var body: [UInt8]
        var isComplete: Bool
    }

    private static func mutant(_ random: inout SeededGenerator) -> [UInt8] {
        var bytes = Array(seeds[Int.random(in: 0..<seeds.count, using: &random)].utf8)
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            let at = Int.random(in: 0...bytes.count, using: &random)
            let upTo = min(bytes.count, at + Int.random(in: 1...4, using: &random))
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes.removeSubrange(at..<upTo)
            case 1: if at < bytes.count { bytes[at] = UInt8.random(in: 0...255, using: &random) }
            case 2: bytes.insert(contentsOf: bytes[at..<upTo], at: at)
            case 3:
                let token = tokens[Int.random(in: 0..<tokens.count, using: &random)]
                bytes.insert(contentsOf: token.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }, at: at)
            default:
                // At a line's start a token can become a field of its own.
                let token = tokens[Int.random(in: 0..<tokens.count, using: &random)]
                let lines = bytes.indices.filter { bytes[$0] == 0x0A }.map { $0 + 1 }
                guard let line = lines.randomElement(using: &random) else { continue }
                bytes.insert(contentsOf: token.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }, at: line)
            }
        }
        return bytes
    }

    private static func readOwn(_ bytes: [UInt8]) -> Reading? {
        var buffer = ByteBuffer(bytes: bytes)
        var parser = RequestParser()
        guard let head = try? parser.parse(&buffer) else { return nil }
        var follower = BodyFollower(head.framing)
        var body: [UInt8] = []
        let rest = Array(buffer.readableBytesView)
        guard (try? withBytes(rest) { try follower.follow($0) { body.append(contentsOf: $0) } }) != nil else {
            return nil
        }
        return Reading(
            method: head.text(head.method), target: head.text(head.target), isHTTP11: head.version == .http11,
            fields: head.fields.map { head.text($0.name) + "=" + head.text($0.value) }, body: body,
            isComplete: follower.isComplete
        )
    }

    private static func trimmed(_ value: String) -> String {
        guard let end = value.utf8.lastIndex(where: { $0 != 0x20 && $0 != 0x09 }) else { return "" }
        return String(value.utf8[...end]) ?? value
    }

    private static func readNIO(_ bytes: [UInt8]) -> Reading? {
        let channel = EmbeddedChannel(
            handler: ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
        defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
        var failure: (any Error)?
        do { _ = try channel.writeInbound(ByteBuffer(bytes: bytes)) } catch { failure = error }
        var reading: Reading?
        while let part = try? channel.readInbound(as: HTTPServerRequestPart.self) {
            switch part {
            case .head(let head):
                if reading != nil { return reading }
                reading = Reading(
                    method: head.method.rawValue, target: head.uri, isHTTP11: head.version == .http1_1,
                    fields: head.headers.map { $0.name + "=" + trimmed($0.value) }, body: [], isComplete: false
                )
            case .body(let piece): reading?.body.append(contentsOf: piece.readableBytesView)
            case .end:
                reading?.isComplete = true
                return reading
            }
        }
        // An error before the first request ended means that llhttp refused it.
        return failure == nil ? reading : nil
    }
}

extension NIOHTTP1.HTTPMethod {
    /// Whether llhttp has a name for this method.
    fileprivate var isKnown: Bool {
        if case .RAW = self { false } else { true }
    }
}
