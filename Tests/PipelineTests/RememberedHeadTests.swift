import GatewayCore
import NIOCore
import Testing
import WireFormats

@testable import Pipeline

@Suite("Remembered heads")
struct RememberedHeadTests {
    private func head(_ fields: [String], target: String = "/v1/a/b/openai/x") throws -> RequestHead {
        var bytes = ByteBuffer(string: "POST \(target) HTTP/1.1\r\nHost: h\r\n")
        for field in fields { bytes.writeString(field + "\r\n") }
        bytes.writeString("\r\n")
        var parser = RequestParser()
        return try #require(try parser.parse(&bytes))
    }

    @Test("equal heads are the same, whatever body they announce in as many digits")
    func same() throws {
        let first = RememberedHead(try head(["Authorization: Bearer k", "Content-Length: 120", "X-A: 1"]))
        #expect(first.isSame(as: try head(["Authorization: Bearer k", "Content-Length: 120", "X-A: 1"])))
        #expect(first.isSame(as: try head(["Authorization: Bearer k", "Content-Length: 999", "X-A: 1"])))
        #expect(!first.isSame(as: try head(["Authorization: Bearer k", "Content-Length: 1200", "X-A: 1"])))
        #expect(RememberedHead(try head([])).isSame(as: try head([])))
    }

    @Test("any other difference counts, before and behind the length")
    func different() throws {
        let first = RememberedHead(try head(["Authorization: Bearer k", "Content-Length: 120", "X-A: 1"]))
        #expect(!first.isSame(as: try head(["Authorization: Bearer l", "Content-Length: 120", "X-A: 1"])))
        #expect(!first.isSame(as: try head(["Authorization: Bearer k", "Content-Length: 120", "X-A: 2"])))
        #expect(!first.isSame(as: try head(["authorization: Bearer k", "Content-Length: 120", "X-A: 1"])))
        #expect(!first.isSame(as: try head(["Authorization: Bearer k", "X-A: 1", "Content-Length: 120"])))
        #expect(!first.isSame(as: try head(["Authorization: Bearer k", "Transfer-Encoding: chunked", "X-A: 1"])))
        let other = try head(
            ["Authorization: Bearer k", "Content-Length: 120", "X-A: 1"], target: "/v1/a/c/openai/x")
        #expect(!first.isSame(as: other))
    }

    @Test("no field can hide where the length may differ")
    func hidden() throws {
        let first = RememberedHead(try head(["Content-Length: 1234567890123456", "X-A: 1"]))
        // As many bytes, the same ones around the length's value, and one field more.
        let hiding = try head(["Content-Length: 1", "x-api-key: sec", "X-A: 1"])
        #expect(!first.isSame(as: hiding))
        let split = try head(["Content-Length: 123456789", "k: v1", "X-A: 1"])
        #expect(!first.isSame(as: split))
    }
}
