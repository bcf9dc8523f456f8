import GatewayCore
import NIOCore
import Testing

@testable import Upstream

@Suite("Response reader")
struct ResponseReaderTests {
    private struct Result: Equatable {
        var status: Int?
        var payload = ""
        var raw = ""
        var isComplete = false
        var isUsable = false
        var problem: String?
    }

    /// Reads an answer that arrives in `pieces`, then the connection's end if there is one.
    private func read(
        _ pieces: [ByteBuffer], toHead: Bool = false, end: ResponseReader.ConnectionEnd? = nil
    ) -> Result {
        var reader = ResponseReader(toHeadRequest: toHead)
        var result = Result()
        var hasHead = false
        for piece in pieces {
            reader.append(piece)
            if !hasHead {
                switch reader.nextHead() {
                case .needsMore: continue
                case .malformed(let reason):
                    result.problem = reason
                    return result
                case .head(let head):
                    hasHead = true
                    result.status = head.status
                }
            }
            body: while !result.isComplete {
                switch reader.nextPart(observe: { result.payload += String(decoding: $0, as: UTF8.self) }) {
                case .needsMore: break body
                case .part(let raw): result.raw += String(buffer: raw)
                case .last(let raw):
                    result.raw += String(buffer: raw)
                    result.isComplete = true
                case .malformed(let reason):
                    result.problem = reason
                    return result
                }
            }
        }
        if let end, !result.isComplete { result.isComplete = hasHead && reader.end(end) }
        result.isUsable = reader.leavesConnectionUsable
        return result
    }

    private func read(_ text: String, toHead: Bool = false, end: ResponseReader.ConnectionEnd? = nil) -> Result {
        read([ByteBuffer(string: text)], toHead: toHead, end: end)
    }

    @Test("a small part of a body does not hold the large buffer that it was read into")
    func memory() throws {
        var reader = ResponseReader(toHeadRequest: false)
        reader.append(ByteBuffer(string: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
        guard case .head = reader.nextHead() else {
            Issue.record("no head")
            return
        }
        for (bytes, capacity) in [(90, 32_768), (2000, 32_768), (30_000, 32_768), (300, 2048)] {
            let text = "\(String(bytes, radix: 16))\r\n" + String(repeating: "z", count: bytes) + "\r\n"
            var buffer = ByteBuffer()
            buffer.reserveCapacity(capacity)
            buffer.writeString(text)
            reader.append(buffer)
            guard case .part(let raw) = reader.nextPart(observe: { _ in }) else {
                Issue.record("no part of \(bytes) bytes")
                continue
            }
            #expect(String(buffer: raw) == text)
            #expect(raw.storageCapacity <= max(4 * text.utf8.count, 2048), "\(bytes) bytes")
        }
    }

    @Test(
        "the outcome does not depend on where the bytes are cut",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\\\";c\";d\r\nhello\r\n0;e\r\nX-A: 1\r\nX-B: 2\r\n\r\n",
        ])
    func cuts(_ text: String) {
        let whole = read(text)
        #expect(whole.isComplete && whole.isUsable)
        let bytes = Array(text.utf8)
        #expect(read(bytes.map { ByteBuffer(bytes: [$0]) }) == whole)
        for cut in 1..<bytes.count {
            let pieces = [ByteBuffer(bytes: bytes[..<cut]), ByteBuffer(bytes: bytes[cut...])]
            #expect(read(pieces) == whole, "cut at \(cut)")
        }
    }

    @Test("chunk heads are passed on but not observed")
    func chunks() {
        let result = read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        #expect(result.payload == "abc")
        #expect(result.raw == "3\r\nabc\r\n0\r\n\r\n")
    }

    @Test("chunk extensions and trailer fields stay behind, the framing does not")
    func extensionsAndTrailers() {
        let result = read(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "3;a=b\r\nabc\r\n2\r\nde\r\n0;c=\"d;\"\r\nSet-Cookie: e=f\r\nX-G: h\r\n\r\n"
        )
        #expect(result.payload == "abcde" && result.isUsable)
        #expect(result.raw == "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    }

    @Test("a change of protocol is refused, because none is ever asked for")
    func switchingProtocols() {
        let result = read("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
        #expect(result.status == nil && result.problem != nil)
    }

    @Test("an answer to HEAD has no body, whatever its head says")
    func headRequest() {
        let result = read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", toHead: true)
        #expect(result.isComplete && result.isUsable && result.raw == "")
    }

    @Test("without a length the connection's end is the body's end, if it is an orderly one")
    func untilClose() {
        let text = "HTTP/1.1 200 OK\r\n\r\nabc"
        #expect(read(text).isComplete == false)
        let orderly = read(text, end: .orderly)
        #expect(orderly.isComplete && !orderly.isUsable && orderly.payload == "abc")
        #expect(!read(text, end: .broken).isComplete)
    }

    @Test(
        "a body that ends before its end is not complete",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
            "HTTP/1.1 200 OK\r\nContent-Le",
        ])
    func truncation(_ text: String) {
        #expect(!read(text, end: .orderly).isComplete)
    }

    @Test("bytes after the answer's end spoil the connection, not the answer")
    func extraBytes() {
        let result = read("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n\r\n")
        #expect(result.isComplete && result.payload == "a" && !result.isUsable)
    }

    @Test("a provider that asks for the connection to be closed gets its wish")
    func connectionClose() {
        let result = read("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na")
        #expect(result.isComplete && !result.isUsable)
    }

    @Test(
        "malformed heads, malformed chunks and endless interim answers are refused",
        arguments: [
            "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 17),
        ])
    func malformed(_ text: String) {
        #expect(read(text).problem != nil)
    }
}
