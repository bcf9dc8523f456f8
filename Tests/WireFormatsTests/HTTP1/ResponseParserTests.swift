import GatewayCore
import NIOCore
import Testing
import WireFormats

@Suite("Response heads")
struct ResponseParserTests {
    @Test("a response is taken apart where it stands, cut anywhere")
    func cutAnywhere() throws {
        let text = "HTTP/1.1 200 Very Fine\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        let bytes = Array(text.utf8)
        for cut in 0..<bytes.count {
            var parser = ResponseParser()
            var buffer = ByteBuffer(bytes: bytes[..<cut])
            #expect(try parser.parse(&buffer, toHeadRequest: false) == nil)
            buffer.writeBytes(bytes[cut...])
            buffer.writeString("5\r\n")
            let head = try #require(try parser.parse(&buffer, toHeadRequest: false))
            #expect(head.status == 200)
            #expect(head.text(head.reason) == "Very Fine")
            #expect(head.framing == .chunked)
            #expect(head.keepsAlive)
            #expect(head.value(.contentType) == "text/event-stream")
            #expect(head.buffer.text == text)
            #expect(buffer.text == "5\r\n")
        }
    }

    @Test(
        "framing follows from status, request and fields",
        arguments: [
            ("200", "Content-Length: 3\r\n", false, BodyFraming.length(3), true),
            ("200", "Content-Length: 3\r\n", true, .none, true),
            ("200", "Transfer-Encoding: chunked\r\n", true, .none, true),
            ("200", "", false, .untilClose, false), ("200", "", true, .none, true),
            ("304", "Content-Length: 3\r\n", false, .none, true), ("204", "", false, .none, true),
            ("204", "Content-Length: 0\r\n", false, .none, true), ("204", "Content-Length: 3\r\n", false, .none, false),
            ("100", "", false, .none, true), ("103", "Transfer-Encoding: chunked\r\n", false, .none, false),
            ("101", "Upgrade: websocket\r\nConnection: Upgrade\r\n", false, .none, true),
            ("200", "Content-Length: 3\r\nConnection: close\r\n", false, .length(3), false),
        ]
    )
    func framing(_ status: String, _ fields: String, _ toHead: Bool, _ expected: BodyFraming, _ alive: Bool) throws {
        let head = try parse("HTTP/1.1 \(status) X\r\n\(fields)\r\n", toHeadRequest: toHead)
        #expect(head.framing == expected)
        #expect(head.keepsAlive == alive)
    }

    @Test("interim heads come out in order before the final one")
    func interim() throws {
        var buffer = ByteBuffer(
            string: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103\r\nLink: x\r\n\r\nHTTP/1.1 200 \r\n\r\n")
        var parser = ResponseParser()
        var statuses: [Int] = []
        while let head = try parser.parse(&buffer, toHeadRequest: false) { statuses.append(head.status) }
        #expect(statuses == [100, 103, 200])
    }

    @Test("an HTTP/1.0 server keeps the connection only when it says so")
    func oldServers() throws {
        #expect(try !parse("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n").keepsAlive)
        #expect(try parse("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n").keepsAlive)
    }

    @Test(
        "a response that could end in two places is refused",
        arguments: [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                HTTP1Error.lengthWithTransferEncoding
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", .conflictingLength),
            ("HTTP/1.1 304 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", .conflictingLength),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", .badLength),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .unsupportedTransferEncoding),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .unsupportedTransferEncoding),
            ("HTTP/1.1 200 OK\nContent-Length: 1\r\n\r\n", .bareLineFeed),
            ("HTTP/1.1 200 O\rK\r\n\r\n", .badStartLine),
            ("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", .obsoleteFolding),
            ("HTTP/1.1 2000 OK\r\n\r\n", .badStatus), ("HTTP/1.1 099 OK\r\n\r\n", .badStatus),
            ("HTTP/1.1 2x0 OK\r\n\r\n", .badStatus), ("HTTP/1.1 20\r\n\r\n", .badStatus),
            ("HTTP/1.1  200 OK\r\n\r\n", .badStatus), ("HTTP/1.1\r\n\r\n", .badStartLine),
            ("HTTP/2 200 OK\r\n\r\n", .badVersion), ("HTTP/1.1\r\n\r\n200 OK\r\n\r\n", .badStartLine),
            ("\r\nHTTP/1.1 200 OK\r\n\r\n", .badStartLine), ("<html>", .badStartLine),
        ]
    )
    func refused(_ text: String, _ error: HTTP1Error) {
        #expect(throws: error) { try parse(text) }
    }

    private func parse(_ text: String, toHeadRequest: Bool = false) throws -> ResponseHead {
        var buffer = ByteBuffer(string: text)
        var parser = ResponseParser()
        return try #require(try parser.parse(&buffer, toHeadRequest: toHeadRequest))
    }
}
