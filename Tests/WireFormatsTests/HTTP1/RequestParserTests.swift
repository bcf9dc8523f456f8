import GatewayCore
import NIOCore
import Testing
import WireFormats

@Suite("Request heads")
struct RequestParserTests {
    static let chat =
        "POST /v1/acc/gw/openai/chat/completions?x=1 HTTP/1.1\r\nHost: gateway.example:8080\r\n"
        + "Authorization:Bearer sk-1\r\nContent-Type:  application/json \t\r\ncontent-LENGTH: 17\r\n"
        + "X-Empty:\r\nX-Text: caf\u{e9} \"a, b\"\r\n\r\n"

    @Test("a request is taken apart where it stands")
    func wholeRequest() throws {
        var buffer = ByteBuffer(string: Self.chat + "{\"model\":")
        var parser = RequestParser()
        let head = try #require(try parser.parse(&buffer))
        #expect(head.text(head.method) == "POST")
        #expect(head.text(head.target) == "/v1/acc/gw/openai/chat/completions?x=1")
        #expect(head.version == .http11)
        #expect(head.framing == .length(17))
        #expect(head.keepsAlive)
        #expect(!head.expectsContinue)
        #expect(head.buffer.text == Self.chat)
        #expect(head.fields.map(\.kind) == [.host, .authorization, .contentType, .contentLength, .other, .other])
        #expect(head.fields.map { head.text($0.name) }.last == "X-Text")
        #expect(head.value(.authorization) == "Bearer sk-1")
        #expect(head.value(.contentType) == "application/json")
        #expect(head.value(named: "x-empty") == "")
        #expect(head.value(named: "x-text") == "caf\u{e9} \"a, b\"")
        #expect(buffer.text == "{\"model\":")
    }

    @Test("a long head's bytes share the storage of what was received; a usual one has its own")
    func sharesStorage() throws {
        for (filler, isShared) in [(0, false), (5000, true)] {
            let text = "GET / HTTP/1.1\r\nHost: a\r\nX-Filler: \(String(repeating: "x", count: filler))\r\n\r\n"
            var buffer = ByteBuffer(string: text)
            let address = buffer.withUnsafeReadableBytes { $0.baseAddress }
            var parser = RequestParser()
            let head = try #require(try parser.parse(&buffer))
            #expect((head.buffer.withUnsafeReadableBytes { $0.baseAddress } == address) == isShared)
        }
    }

    @Test("a head that repeats the last one is the same object, and one with another length says so")
    func repeated() throws {
        var parser = RequestParser()
        var buffer = ByteBuffer(string: Self.chat + Self.chat)
        let first = try #require(try parser.parse(&buffer))
        #expect(try parser.parse(&buffer) === first)
        for (length, isSame) in [("18", false), ("99", false), ("17", true), ("7", false), ("117", false)] {
            let text = Self.chat.replacing("content-LENGTH: 17", with: "content-LENGTH: \(length)")
            buffer.writeString(text)
            let head = try #require(try parser.parse(&buffer))
            #expect((head === first) == isSame)
            #expect(head.framing == .length(Int(length) ?? 0))
            #expect(head.buffer.text == text)
            #expect(head.value(.authorization) == "Bearer sk-1" && head.keepsAlive && buffer.readableBytes == 0)
        }
    }

    /// What a parser makes of one head.
    private static func reading(of text: [UInt8], _ parser: inout RequestParser) -> String {
        var buffer = ByteBuffer(bytes: text)
        do {
            guard let head = try parser.parse(&buffer) else { return "incomplete" }
            return """
                \(head.text(head.method)) \(head.text(head.target)) \(head.fields) \(head.framing) \(head.version) \
                \(head.keepsAlive) \(head.expectsContinue) \(buffer.readableBytes) \(Array(head.buffer.readableBytesView))
                """
        } catch {
            return "\(error)"
        }
    }

    @Test("a head that differs from the last one in any byte reads as if it were the first")
    func notQuiteRepeated() throws {
        let bytes = Array(Self.chat.utf8)
        var known = RequestParser()
        _ = Self.reading(of: bytes, &known)
        for index in bytes.indices {
            for byte in [0x00, 0x0a, 0x0d, 0x20, 0x2d, 0x30, 0x39, 0x3a, 0x41, 0x7f, 0xff] as [UInt8] {
                var other = bytes
                other[index] = byte
                var experienced = known
                var fresh = RequestParser()
                #expect(Self.reading(of: other, &experienced) == Self.reading(of: other, &fresh), "\(index) \(byte)")
            }
            var experienced = known
            #expect(Self.reading(of: Array(bytes[..<index]), &experienced) == "incomplete")
        }
    }

    @Test("a request that arrives byte by byte, or in two parts cut anywhere, reads the same")
    func cutAnywhere() throws {
        var whole = ByteBuffer(string: Self.chat)
        var reference = RequestParser()
        let expected = try #require(try reference.parse(&whole))
        let bytes = Array(Self.chat.utf8)

        var slow = ByteBuffer()
        var parser = RequestParser()
        for (index, byte) in bytes.enumerated() {
            slow.writeInteger(byte)
            let head = try parser.parse(&slow)
            #expect((head != nil) == (index == bytes.count - 1))
            if let head { #expect(head.fields == expected.fields && head.framing == expected.framing) }
        }
        for cut in 1..<bytes.count {
            var parser = RequestParser()
            var buffer = ByteBuffer(bytes: bytes[..<cut])
            #expect(try parser.parse(&buffer) == nil)
            buffer.writeBytes(bytes[cut...])
            let head = try #require(try parser.parse(&buffer))
            #expect(head.fields == expected.fields && head.target == expected.target && buffer.readableBytes == 0)
        }
    }

    @Test("pipelined requests come out one at a time, empty lines before them skipped")
    func pipelined() throws {
        var buffer = ByteBuffer(
            string: "\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3")
        var parser = RequestParser()
        let first = try #require(try parser.parse(&buffer))
        let second = try #require(try parser.parse(&buffer))
        #expect(first.text(first.target) == "/1")
        #expect(second.text(second.target) == "/2")
        #expect(try parser.parse(&buffer) == nil)
        #expect(buffer.text == "GET /3")
    }

    @Test("more than four empty lines are refused, also when they come one by one")
    func tooManyEmptyLines() throws {
        var parser = RequestParser()
        for _ in 0..<4 {
            var buffer = ByteBuffer(string: "\r\n")
            #expect(try parser.parse(&buffer) == nil)
        }
        var buffer = ByteBuffer(string: "\r\n")
        #expect(throws: HTTP1Error.badStartLine) { try parser.parse(&buffer) }
    }

    @Test(
        "framing follows from the fields",
        arguments: [
            ("", BodyFraming.none), ("Content-Length: 0\r\n", .length(0)), ("Content-Length: 007\r\n", .length(7)),
            ("Content-Length: 9223372036854775807\r\n", .length(.max)),
            ("Transfer-Encoding: chunked\r\n", .chunked), ("transfer-encoding:\tCHUNKED \r\n", .chunked),
        ]
    )
    func framing(_ fields: String, _ expected: BodyFraming) throws {
        #expect(try parse("POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n").framing == expected)
    }

    @Test(
        "whether the connection lives on follows from version and Connection",
        arguments: [
            ("1.1", "", true), ("1.1", "Connection: close\r\n", false), ("1.1", "Connection: Keep-Alive\r\n", true),
            ("1.1", "Connection: x-a, CLOSE\r\n", false), ("1.1", "Connection: keep-alive, close\r\n", false),
            ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false), ("1.1", "Connection: closed\r\n", true),
            ("1.0", "", false), ("1.0", "Connection: keep-alive\r\n", true),
            ("1.0", "Connection: x , keep-alive\r\n", true), ("1.0", "Connection: keep-alive, close\r\n", false),
        ]
    )
    func keepsAlive(_ version: String, _ fields: String, _ expected: Bool) throws {
        #expect(try parse("GET / HTTP/\(version)\r\nHost: a\r\n\(fields)\r\n").keepsAlive == expected)
    }

    @Test("only an HTTP/1.1 client is believed to wait for 100 Continue")
    func expectsContinue() throws {
        #expect(try parse("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n").expectsContinue)
        #expect(try !parse("PUT / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n\r\n").expectsContinue)
        #expect(try !parse("PUT / HTTP/1.1\r\nHost: a\r\nExpect: later\r\n\r\n").expectsContinue)
    }

    @Test("a head may be as large as its limits and no larger")
    func limits() throws {
        let head = "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n"
        #expect(throws: Never.self) { try parse(head, HTTP1Limits(headBytes: head.utf8.count, fields: 2)) }
        #expect(throws: HTTP1Error.headTooLarge) { try parse(head, HTTP1Limits(headBytes: head.utf8.count - 1)) }
        #expect(throws: HTTP1Error.tooManyFields) { try parse(head, HTTP1Limits(fields: 1)) }

        var endless = ByteBuffer(string: "GET /" + String(repeating: "a", count: 200))
        var parser = RequestParser(limits: HTTP1Limits(headBytes: 100))
        #expect(throws: HTTP1Error.headTooLarge) { try parser.parse(&endless) }
    }

    @Test(
        "field names are classified in any case, and look-alikes are not",
        arguments: [
            ("content-length", FieldKind.contentLength), ("Transfer-Encoding", .transferEncoding),
            ("CONNECTION", .connection), ("Keep-Alive", .keepAlive), ("TE", .te), ("trailer", .trailer),
            ("Upgrade", .upgrade), ("Proxy-Authorization", .proxyPrefixed), ("proxy-x", .proxyPrefixed),
            ("Expect", .expect), ("hOSt", .host), ("Content-Type", .contentType),
            ("Content-Encoding", .contentEncoding), ("Accept-Encoding", .acceptEncoding), ("User-Agent", .userAgent),
            ("Set-Cookie", .setCookie), ("Date", .date), ("Server", .server), ("Authorization", .authorization),
            ("proxy", .other), ("proxyx-a", .other), ("content_length", .other), ("Cont\u{45}nt-Lengt", .other),
            ("Hosts", .other), ("t", .other), ("ua", .other), ("upgrad_", .other), ("trailed", .other),
        ]
    )
    func kinds(_ name: String, _ expected: FieldKind) {
        withBytes(name) { bytes in
            #expect(bytes.baseAddress.map { FieldKind(name: $0, count: bytes.count) } == expected)
        }
    }

    @Test("fields that a Connection field names belong to this hop")
    func nominations() throws {
        let head = try parse(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Hop: 1\r\nX-Hop-Not: 1\r\nConnection: keep-alive , x-HOP,\r\n\r\n"
        )
        #expect(head.hasConnectionNominations)
        #expect(head.fields.filter { head.connectionNominates($0) }.map { head.text($0.name) } == ["X-Hop"])
        #expect(try !parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close, upgrade\r\n\r\n").hasConnectionNominations)
    }

    private func parse(_ text: String, _ limits: HTTP1Limits = .standard) throws -> RequestHead {
        var buffer = ByteBuffer(string: text)
        var parser = RequestParser(limits: limits)
        return try #require(try parser.parse(&buffer))
    }
}
