import CloudflareWire
import GatewayCore
import NIOCore
import Testing
import WireFormats

@Suite("Forwarded fields")
struct ForwardedFieldsTests {
    private func withheld(_ field: String) throws -> Bool {
        let host = field.lowercased().hasPrefix("host:") ? "" : "Host: h\r\n"
        var bytes = ByteBuffer(string: "POST / HTTP/1.1\r\n\(host)\(field)\r\n\r\n")
        var parser = RequestParser()
        let head = try #require(try parser.parse(&bytes))
        let last = try #require(head.fields.last)
        return head.withBytes { ForwardedFields.isWithheld($0, last) }
    }

    @Test(
        "hop-by-hop, gateway and forwarding headers stay behind",
        arguments: [
            "Connection: x", "Keep-Alive: 5", "TE: trailers", "Trailer: x", "Upgrade: h2c", "Proxy-Authorization: x",
            "Proxy-Connection: x", "Host: x", "Content-Length: 0", "cf-aig-metadata: {}", "CF-AIG-Anything: 1",
            "cf-connecting-ip: 1", "cf-access-jwt-assertion: x", "cdn-loop: x", "X-Forwarded-For: 1",
            "x-forwarded-proto: https", "X-Real-IP: 1", "Forwarded: for=1", "x-fal-target-url: u",
            "Sec-WebSocket-Protocol: x", "Accept-Encoding: gzip", "Expect: 100-continue", "HTTP2-Settings: x",
        ])
    func withheldFields(field: String) throws {
        #expect(try withheld(field))
    }

    @Test(
        "everything else is passed on",
        arguments: [
            "anthropic-version: 2023-06-01", "OpenAI-Organization: o", "Idempotency-Key: k", "Authorization: Bearer k",
            "x-api-key: k", "x-request-id: 1", "Cookie: a=b", "Content-Type: application/json", "User-Agent: u",
            "X-Stainless-Lang: python", "Cartesia-Version: 1", "forwarded-by: x", "traceparent: 00-1",
        ])
    func forwarded(field: String) throws {
        #expect(try !withheld(field))
    }

    @Test("the fields that Connection names are hop-by-hop too")
    func connectionOptions() throws {
        var bytes = ByteBuffer(string: "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, X-Private , close\r\n\r\n")
        var parser = RequestParser()
        let head = try #require(try parser.parse(&bytes))
        #expect(ForwardedFields.connectionOptions(head) == ["x-private"])
    }
}
