import GatewayCore
import Outbound
import SecretVault

/// A folder of an S3-compatible store, written with AWS Signature Version 4.
///
/// - Source: AWS, "Authenticating Requests: Using the Authorization Header" · documented. Buckets are named in the path,
///   which every compatible store understands.
struct S3Bucket: Sendable {
    private let endpoint: OutboundURL
    /// Without slashes at its ends.
    private let folder: String
    private let region: String
    private let keyID: String
    private let secret: Secret<String>

    init(
        path: String, fields: [(name: String, value: String, raw: String)], egress: EgressRule
    ) throws(LogpushDestination.Refusal) {
        func field(_ name: String) -> String? { fields.last { $0.name == name }?.value }
        var folder = path[...]
        while folder.hasSuffix("/") { folder = folder.dropLast() }
        guard let bucket = folder.split(separator: "/").first, !bucket.isEmpty, !folder.hasPrefix("/") else {
            throw .init(message: "destination_conf: s3:// needs the name of a bucket")
        }
        guard let keyID = field("access-key-id"), !keyID.isEmpty, let secret = field("secret-access-key"),
            !secret.isEmpty
        else { throw .init(message: "destination_conf: s3:// needs access-key-id and secret-access-key") }
        guard HeaderField.isSound("authorization", keyID) else {
            throw .init(message: "destination_conf: access-key-id cannot be sent")
        }
        self.folder = String(folder)
        self.keyID = keyID
        self.secret = Secret(secret)
        region = field("region") ?? "us-east-1"
        guard region.utf8.allSatisfy({ $0 == 0x2d || (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) }),
            !region.isEmpty
        else {
            throw .init(message: "destination_conf: region is no name")
        }
        let host = field("endpoint") ?? "s3.\(region).amazonaws.com"
        do throws(OutboundURL.Refusal) {
            endpoint = try OutboundURL(host.contains("://") ? host : "https://" + host, egress: egress)
        } catch {
            throw .init(message: "destination_conf: endpoint: \(error.message)")
        }
    }

    /// Address and signed header fields of storing a file.
    func request(
        storing name: String, day: String, _ body: [UInt8], now: Instant
    ) throws(DeliveryFailure) -> (OutboundURL, [(name: String, value: String)]) {
        let key = folder.replacing("{DATE}", with: day) + "/" + name
        var url = endpoint
        var prefix = endpoint.path
        while prefix.hasSuffix("/") { prefix.removeLast() }
        url.path = prefix + "/" + key.split(separator: "/").map { Self.encoded($0) }.joined(separator: "/")
        url.query = nil
        let time = LogpushFile.compact(now)
        let digest = Hexadecimal.text(of: Digest.sha256(body))
        let scope = "\(time.prefix(8))/\(region)/s3/aws4_request"
        let names = "content-encoding;content-type;host;x-amz-content-sha256;x-amz-date"
        let canonical = """
            PUT
            \(url.path)

            content-encoding:gzip
            content-type:application/x-ndjson
            host:\(url.authority)
            x-amz-content-sha256:\(digest)
            x-amz-date:\(time)

            \(names)
            \(digest)
            """
        let text = "AWS4-HMAC-SHA256\n\(time)\n\(scope)\n\(Hexadecimal.text(of: Digest.sha256(canonical)))"
        do throws(VaultError) {
            var signature = Array("AWS4\(secret.reveal())".utf8)
            for part in scope.split(separator: "/").map(String.init) + [text] {
                signature = try Digest.hmacSHA256(key: signature, message: Array(part.utf8))
            }
            let authorization =
                "AWS4-HMAC-SHA256 Credential=\(keyID)/\(scope), SignedHeaders=\(names), "
                + "Signature=\(Hexadecimal.text(of: signature))"
            return (
                url,
                [
                    ("content-encoding", "gzip"), ("content-type", "application/x-ndjson"),
                    ("x-amz-content-sha256", digest), ("x-amz-date", time), ("authorization", authorization),
                ]
            )
        } catch {
            throw .later("a file could not be signed")
        }
    }

    /// Unreserved characters stay, everything else is written as `%XX`.
    private static func encoded(_ segment: Substring) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var out: [UInt8] = []
        for byte in segment.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                out.append(byte)
            default: out += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
