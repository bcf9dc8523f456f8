import GatewayCore
import NIOCore
import Testing
import WireFormats

@testable import ProxyServer

/// What a reader makes of bytes, in words.
private func steps(_ reader: inout RequestReader) -> [String] {
    var said: [String] = []
    while true {
        switch reader.next() {
        case .wait: return said
        case .head(let head): said.append("head \(head.text(head.target))")
        case .body(let bytes, let isLast): said.append("body \(String(buffer: bytes))\(isLast ? " end" : "")")
        case .refused: said.append("refused")
        case .broken: said.append("broken")
        }
    }
}

private let chunked =
    "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
private let sized = "POST /s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde"
private let bare = "GET /g HTTP/1.1\r\nHost: x\r\n\r\n"

@Suite struct RequestReaderTests {
    @Test(
        "a request is its head and its body", arguments: [(sized, ["head /s", "body abcde end"]), (bare, ["head /g"])])
    func whole(_ text: String, _ expected: [String]) {
        var reader = RequestReader()
        reader.append(ByteBuffer(string: text))
        #expect(steps(&reader) == expected)
        #expect(reader.isRequestComplete)
        #expect(reader.isEmpty)
    }

    @Test("bytes that come one by one make the same request", arguments: [sized, chunked])
    func crumbs(_ text: String) {
        var reader = RequestReader()
        var said: [String] = []
        for byte in text.utf8 {
            #expect(!reader.isRequestComplete || said.isEmpty)
            reader.append(ByteBuffer(bytes: [byte]))
            said += steps(&reader)
        }
        let body = said.dropFirst().map { $0.dropFirst(5).replacing(" end", with: "") }.joined()
        #expect(said.first?.hasPrefix("head") == true)
        #expect(body == "abcde")
        #expect(said.last?.hasSuffix("end") == true)
        #expect(reader.isRequestComplete)
    }

    @Test("a pipelined request waits until the one before it has been answered")
    func pipelined() {
        var reader = RequestReader()
        reader.append(ByteBuffer(string: sized + chunked + bare))
        #expect(steps(&reader) == ["head /s", "body abcde end"])
        reader.startOver()
        #expect(steps(&reader) == ["head /c", "body abcde end"])
        reader.startOver()
        #expect(steps(&reader) == ["head /g"])
        #expect(reader.isEmpty)
    }

    @Test("what waits is limited")
    func full() {
        var reader = RequestReader()
        reader.append(ByteBuffer(string: bare))
        _ = steps(&reader)
        reader.append(ByteBuffer(repeating: 0x61, count: 64 << 10))
        #expect(!reader.isFull)
        reader.append(ByteBuffer(repeating: 0x61, count: 1))
        #expect(reader.isFull)
        reader.discard()
        #expect(reader.isEmpty)
    }

    @Test("no request is refused once, and nothing after it is read")
    func refused() {
        var reader = RequestReader()
        reader.append(ByteBuffer(string: "nonsense\r\n\r\n" + bare))
        #expect(steps(&reader) == ["refused"])
        reader.append(ByteBuffer(string: bare))
        #expect(steps(&reader) == [])
        #expect(!reader.isRequestComplete)
    }

    @Test("a body whose framing breaks is told, and nothing after it is read")
    func broken() {
        var reader = RequestReader()
        let head = "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        reader.append(ByteBuffer(string: head + "3\r\nabc\r\n"))
        #expect(steps(&reader) == ["head /c", "body abc"])
        reader.append(ByteBuffer(string: "zz\r\n" + bare))
        #expect(steps(&reader) == ["broken"])
        #expect(!reader.isRequestComplete)
    }
}
