import GatewayCore
import NIOCore
import Testing

@testable import Pipeline

@Suite("Addresses of media")
struct MediaAddressTests {
    @Test(
        "https addresses are taken apart",
        arguments: [
            ("https://example.com/a.png", "https://example.com", "/a.png"),
            ("HTTPS://Example.COM:8443/a?b=c#d", "https://example.com:8443", "/a?b=c"),
            ("https://example.com", "https://example.com", "/"),
            ("https://example.com?x", "https://example.com", "/?x"),
            ("https://[2001:db8::1]/x", "https://[2001:db8::1]", "/x"),
            ("https://example.com/ä", "https://example.com", "/%C3%A4"),
        ])
    func parts(text: String, origin: String, target: String) throws {
        let address = try #require(MediaAddress(text))
        #expect(address.origin.description == origin)
        #expect(address.target == target)
    }

    @Test(
        "everything else is none",
        arguments: [
            "", "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "https:///x", "https://",
            "//example.com/",
            "https://user@example.com/", "https://user:pw@127.0.0.1/", "https://example.com:0/",
            "https://example.com:99999/",
            "https://exa mple.com/", "https://example.com/a b", "https://example.com/\r\nHost: x",
            "https://exa\u{0}mple.com/",
            "https://example.com\\@127.0.0.1/", "gs://bucket/x", "data:image/png;base64,AAAA",
            "https://bücher.example/",
            "https://example.com/" + String(repeating: "x", count: 9000),
        ])
    func refusals(text: String) { #expect(MediaAddress(text) == nil) }

    @Test(
        "a redirection is resolved, and leaves https for nothing",
        arguments: [
            ("https://other.example/x", "https://other.example/x"), ("//other.example/x", "https://other.example/x"),
            ("/root?q", "https://example.com/root?q"), ("next.png", "https://example.com/dir/next.png"),
            ("?page=2", "https://example.com/dir/file?page=2"), ("#top", "https://example.com/dir/file?old=1"),
            ("../up", "https://example.com/dir/../up"), ("http://example.com/x", nil), ("file:///etc/passwd", nil),
            ("javascript:alert(1)", nil), ("//user@other.example/", nil), ("/a b", nil),
        ])
    func redirections(location: String, target: String?) throws {
        let address = try #require(MediaAddress("https://example.com/dir/file?old=1"))
        #expect(address.redirected(to: location).map { $0.origin.description + $0.target } == target)
    }

    @Test("types are what the head says, or what the bytes begin like where it says nothing")
    func types() {
        let png = ByteBuffer(bytes: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0])
        #expect(MediaType.of(png, field: "image/PNG; charset=x") == "image/png")
        #expect(MediaType.of(png, field: "image/jpg") == "image/jpeg")
        #expect(MediaType.of(png, field: nil) == "image/png")
        #expect(MediaType.of(png, field: "application/octet-stream") == "image/png")
        #expect(MediaType.of(ByteBuffer(string: "GIF89a"), field: "") == "image/gif")
        #expect(MediaType.of(ByteBuffer(string: "RIFF0000WEBPVP8 "), field: nil) == "image/webp")
        #expect(MediaType.of(ByteBuffer(bytes: [0xff, 0xd8, 0xff, 0xe0]), field: nil) == "image/jpeg")
        #expect(MediaType.of(ByteBuffer(string: "%PDF-1.7"), field: nil) == "application/pdf")
        for field in ["text/html", "application/json", "image", "image/", "image/p\"ng", "a/b/c", "image/png x"] {
            #expect(MediaType.of(png, field: field) == nil, "\(field)")
        }
        #expect(MediaType.of(ByteBuffer(string: "<html>"), field: nil) == nil)
    }
}
