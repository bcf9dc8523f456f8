@testable import ControlPlane
import GatewayCore
import Outbound
import SecretVault
import Testing

@Suite("Exports")
struct ExportTests {
    @Test(
        "addresses that lead inside are refused by their text",
        arguments: [
            "http://collector.example.com/", "https://localhost/", "https://a.localhost./", "https://127.0.0.1/",
            "https://127.1/", "https://2130706433/", "https://[::1]/", "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest", "https://user@example.com/", "https:///path", "ftp://example.com/",
            "https://exa mple.com/", "https://example.com:0/", "https://example.com:99999/", "https://example.com/#x",
            "",
        ])
    func refusedAddresses(text: String) {
        #expect(throws: OutboundURL.Refusal.self) { try OutboundURL(text, egress: .publicAddressesOnly) }
    }

    @Test("an address is taken apart as it will be sent")
    func address() throws {
        let url = try OutboundURL("https://[2606:4700::1]:8443/a/b?c=1&d", egress: .publicAddressesOnly)
        #expect(url.host == "2606:4700::1" && url.port == 8443 && url.authority == "[2606:4700::1]:8443")
        #expect(url.target == "/a/b?c=1&d")
        let bare = try OutboundURL("https://example.com", egress: .publicAddressesOnly)
        #expect(bare.target == "/" && bare.authority == "example.com" && bare.port == 443)
        #expect(try OutboundURL("http://127.0.0.1:9/", egress: .anyAddress).authority == "127.0.0.1:9")
    }

    @Test(
        "destinations that cannot work are refused when they are given",
        arguments: [
            "", "s3://", "s3:///x", "s3://bucket", "s3://bucket?access-key-id=a", "gs://bucket",
            "s3://b?access-key-id=a&secret-access-key=b&endpoint=http://localhost",
            "s3://b?access-key-id=a&secret-access-key=b&region=../x",
            "https://example.com/?header_X=a%0d%0aHost:%20b", "https://example.com/?header_=a",
            "https://10.0.0.1/?header_X=1", "http://example.com/",
        ])
    func refusedDestinations(text: String) {
        #expect(throws: LogpushDestination.Refusal.self) {
            try LogpushDestination(text, egress: .publicAddressesOnly)
        }
    }

    @Test(
        "destinations of both kinds are taken",
        arguments: [
            "https://example.com/logs/{DATE}?a=1&header_Authorization=Basic%20eA%3D%3D",
            "s3://bucket/logs/{DATE}?region=eu-central-1&access-key-id=a&secret-access-key=b%2Fc",
            "s3://bucket?endpoint=minio.example.com:9000&access-key-id=a&secret-access-key=b",
        ])
    func destinations(text: String) throws {
        _ = try LogpushDestination(text, egress: .publicAddressesOnly)
        #expect(!LogpushDestination.preview(of: text).contains("="))
    }

    @Test("protocol buffers are written field by field")
    func protobuf() {
        var writer = ProtobufWriter()
        writer.number(1, 300)
        writer.text(2, "hé")
        writer.fixed(3, 1)
        writer.message(20) { $0.number(1, 0) }
        #expect(
            writer.bytes == [
                0x08, 0xac, 0x02, 0x12, 3, 0x68, 0xc3, 0xa9, 0x19, 1, 0, 0, 0, 0, 0, 0, 0, 0xa2, 0x01, 2, 0x08, 0,
            ])
    }

    @Test("compressed documents are gzip, and an empty one is too")
    func gzip() throws {
        for text in ["", "{}\n", String(repeating: "line\n", count: 100_000)] {
            let packed = try #require(Gzip.pack(Array(text.utf8)))
            #expect(packed.prefix(3) == [0x1f, 0x8b, 8])
            // The length of the content stands at the end.
            let length = packed.suffix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            #expect(length == text.utf8.count && packed.count < 2000)
        }
    }

    @Test(
        "only RSA keys of a sound size are encrypted to",
        arguments: ["", "x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
    func badKeys(text: String) {
        #expect(throws: VaultError.self) { try PayloadEncryption(publicKey: text) }
    }
}
