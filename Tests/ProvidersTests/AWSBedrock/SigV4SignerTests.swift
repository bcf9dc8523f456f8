import GatewayCore
import SecretVault
import Testing

@testable import Providers

private struct VaultDigests: MessageDigests {
    func sha256(_ bytes: UnsafeRawBufferPointer) -> [UInt8] { Digest.sha256(Array(bytes)) }
    func hmacSHA256(key: [UInt8], message: [UInt8]) -> [UInt8]? {
        try? Digest.hmacSHA256(key: key, message: message)
    }
    @WorkerLoop
    func hasher() -> (any ContentHasher)? { try? LoopContentHasher() }
}

/// One signed call; the signatures are those of botocore 1.44.5 for the same call, key and time.
struct Vector: Sendable, CustomStringConvertible {
    static let hello = #"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#

    var request: SignableRequest
    var token: String?
    var names: String
    var signature: String
    var description: String { "\(request.method) \(request.authority)\(request.path)?\(request.query ?? "")" }

    init(
        _ host: String, _ method: String, _ path: String, query: String? = nil, type: String? = "application/json",
        token: String? = nil, body: String = hello, _ names: String, _ signature: String
    ) {
        var headers = [(name: "Accept", value: "*/*"), (name: "X-Amzn-Trace-Id", value: "not signed")]
        if let type { headers.append((name: "Content-Type", value: type)) }
        request = SignableRequest(
            method: method, authority: host, canonicalAuthority: host, path: path, query: query, headers: headers,
            payloadDigest: Digest.sha256(body)
        )
        self.token = token
        self.names = names
        self.signature = signature
    }
}

@Suite("Signatures for Bedrock")
struct SigV4SignerTests {
    private static let now = Instant(milliseconds: 1_767_323_045_678)  // 2026-01-02T03:04:05.678Z
    private let signer = SigV4Signer()

    static let vectors = [
        Vector(
            "bedrock-runtime.us-east-1.amazonaws.com", "POST",
            "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse",
            "content-type;host;x-amz-date",
            "a9e2ddee7983975acfe7ec4ddc10af309020f208d27103fa23c25efb8a5133e9"),
        Vector(
            "bedrock-runtime.us-east-1.amazonaws.com", "POST",
            "/model/us.anthropic.claude-haiku-4-5-20251001-v1:0/converse",
            "content-type;host;x-amz-date",
            "73bff68225ca81694dd8e4620cadf58ae8c7737f09d827dc7d76528129107e7c"),
        Vector(
            "bedrock-runtime.eu-central-1.amazonaws.com", "POST",
            "/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Aapplication-inference-profile%2Fabc"
                + "/converse-stream",
            "content-type;host;x-amz-date",
            "fdf5e440d8e448d7568dcfe587703f4f9ac4f6f926d934ee39a93ef7959c0e70"),
        Vector(
            "bedrock-runtime.us-east-1.amazonaws.com", "POST",
            "/model/arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0/invoke",
            "content-type;host;x-amz-date",
            "e7f4b108ab105c19a2ac44cff6b7ee5b00d9221643f4cb3729428aa73162cab1"),
        Vector(
            "bedrock-runtime.us-gov-west-1.amazonaws.com", "POST",
            "/model/a%20b/invoke", token: "FwoGZXIvYXdzEXAMPLE//token+=", body: "",
            "content-type;host;x-amz-date;x-amz-security-token",
            "7a1c9159627c27a77b1e661eb3a3bf0096b9479d0a6b22ebaf5589cea9819429"),
        Vector(
            "bedrock-runtime.us-east-1.amazonaws.com", "POST",
            "/model/caf%C3%A9-%F0%9F%98%80~x_y.z/invoke", type: "text/plain;  charset=utf-8", body: "é😀",
            "content-type;host;x-amz-date",
            "08bb72c9f4ccecb63506bf32854d45d3d108d83295f62f009b5b4f932f3fb3d2"),
        Vector(
            "bedrock-runtime.us-east-1.amazonaws.com", "POST",
            "//model///x!$&'()*,;=@/converse/",
            "content-type;host;x-amz-date",
            "c7d33b263fdbee57f8eaa710d95361a4abe3ae9605f5c91a6c29d85c5b03af69"),
        Vector(
            "bedrock-runtime.us-east-1.amazonaws.com", "GET",
            "/guardrail/abc", query: "b=2&a=x%20y&a=B&empty=&flag&z=%C3%A9", type: nil, body: "",
            "host;x-amz-date",
            "9044b2e101f5a98a00020ee8314accb0ea87851145b6d38fe7949597e79b6e5b"),
        Vector(
            "bedrock-runtime.us-east-1.amazonaws.com", "GET",
            "/", type: nil, token: "tok", body: "",
            "host;x-amz-date;x-amz-security-token",
            "c6646ce57ea59803f579cda6068f80e17c45e9fca461d7ae0d4476f751fd8424"),
        Vector(
            "bedrock-mantle.us-east-1.api.aws", "POST",
            "/anthropic/v1/messages",
            "content-type;host;x-amz-date",
            "b1ecf8061383790ca2ad9afd7443ea0839cf29c99232c20d72a03fa13939ca5f"),
        Vector(
            "bedrock-mantle.ap-southeast-2.api.aws", "POST",
            "/v1/chat/completions", query: "beta=true", token: "tok",
            "content-type;host;x-amz-date;x-amz-security-token",
            "66b2c69d3f87678e473fda7d96a89ac67217277b7fe2ae2fbcaa5f361d387fad"),
    ]

    private func key(_ more: String = "") -> Secret<String> {
        Secret(
            #"{"accessKeyId":"AKIDEXAMPLE","secretAccessKey":"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY","#
                + #""region":"eu-west-1"\#(more)}"#)
    }

    private func sign(
        _ request: SignableRequest, _ key: Secret<String>, at now: Instant = now
    ) throws -> [String: String] {
        let fields = try signer.headers(for: request, with: key, at: now, VaultDigests())
        return Dictionary(uniqueKeysWithValues: fields.map { ($0.name, $0.value.reveal()) })
    }

    @Test("equal botocore's", arguments: vectors)
    func equal(_ vector: Vector) throws {
        let fields = try sign(vector.request, key(vector.token.map { #","sessionToken":"\#($0)""# } ?? ""))
        let labels = vector.request.authority.split(separator: ".")
        let service = labels[0] == "bedrock-mantle" ? "bedrock-mantle" : "bedrock"
        #expect(
            fields["authorization"]
                == "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/\(labels[1])/\(service)/aws4_request, "
                + "SignedHeaders=\(vector.names), Signature=\(vector.signature)"
        )
        #expect(fields["x-amz-date"] == "20260102T030405Z")
        #expect(fields["x-amz-security-token"] == vector.token)
        #expect(fields.count == (vector.token == nil ? 2 : 3))
    }

    @Test("the path is encoded once more than it is sent")
    func canonicalPath() {
        #expect(SigV4Signer.canonicalPath("/model/a%3A0/converse") == "/model/a%253A0/converse")
        #expect(SigV4Signer.canonicalPath("/model/a:0/converse") == "/model/a%3A0/converse")
        #expect(SigV4Signer.canonicalPath("/model/arn%3Ax%2Fy/invoke") == "/model/arn%253Ax%252Fy/invoke")
        #expect(SigV4Signer.canonicalPath("//a///b/") == "/a/b/")
        #expect(SigV4Signer.canonicalPath("") == "/")
        #expect(SigV4Signer.canonicalPath("//") == "/")
    }

    @Test("the query is sorted and strictly encoded, however it was sent")
    func canonicalQuery() {
        #expect(SigV4Signer.canonicalQuery("b=1&a=2&a=1&a") == "a=&a=1&a=2&b=1")
        #expect(SigV4Signer.canonicalQuery("k=a:b/c&x=%c3%a9&t=~-_.") == "k=a%3Ab%2Fc&t=~-_.&x=%C3%A9")
        #expect(SigV4Signer.canonicalQuery("k=a=b&&") == "k=a%3Db")
        #expect(SigV4Signer.canonicalQuery("") == "")
    }

    @Test("the host that is sent is signed, service and region are those of the provider's own host")
    func otherBase() throws {
        var request = Self.vectors[0].request
        let usual = try sign(request, key())["authorization"]
        request.authority = "127.0.0.1:8080"
        let other = try #require(try sign(request, key())["authorization"])
        #expect(other != usual && other.contains("/us-east-1/bedrock/aws4_request"))
    }

    @Test("the time of day and the year's end come out right")
    func times() {
        #expect(SigV4Signer.time(Instant(milliseconds: 0)) == "19700101T000000Z")
        #expect(SigV4Signer.time(Instant(milliseconds: 1_798_761_599_999)) == "20261231T235959Z")
        #expect(SigV4Signer.time(Instant(milliseconds: 1_709_164_800_000)) == "20240229T000000Z")
    }

    @Test(
        "no other host is signed for",
        arguments: [
            "s3.us-east-1.amazonaws.com", "bedrock-runtime.us-east-1.amazonaws.com.evil.test", "127.0.0.1:8080", "",
            "bedrock-runtime.us-east-1.api.aws", "bedrock-mantle.us-east-1.amazonaws.com",
            "bedrock-runtime.us.east-1.amazonaws.com", "bedrock-runtime.evil.amazonaws.com",
            "x.bedrock-runtime.us-east-1.amazonaws.com", "bedrock-runtime..amazonaws.com",
        ])
    func hosts(_ host: String) {
        var request = Self.vectors[0].request
        request.canonicalAuthority = host
        #expect(refusal(request, key()) == .storedKeyUnavailable)
    }

    @Test(
        "incomplete and unsound documents are refused",
        arguments: [
            "{}", "{", #"{"accessKeyId":"A"}"#, #"{"secretAccessKey":"s"}"#,
            #"{"accessKeyId":"","secretAccessKey":"s"}"#, #"{"accessKeyId":"A","secretAccessKey":7}"#,
            #"{"accessKeyId":"A, Credential=B","secretAccessKey":"s"}"#,
            #"{"accessKeyId":"A\r\nX: y","secretAccessKey":"s"}"#,
            #"{"accessKeyId":"A","secretAccessKey":"s","sessionToken":"a\r\nb"}"#,
            #"{"accessKeyId":"A","secretAccessKey":"s"} x"#,
        ])
    func documents(_ text: String) {
        #expect(signer.document(in: Secret(text)) != nil)
        #expect(refusal(Self.vectors[0].request, Secret(text)) == .storedKeyUnavailable)
    }

    private func refusal(_ request: SignableRequest, _ key: Secret<String>) -> GatewayError.Kind? {
        do {
            _ = try sign(request, key)
            return nil
        } catch {
            let error = error as? GatewayError
            #expect(error?.detail.contains("wJalr") != true)
            return error?.kind
        }
    }

    @Test("what is no object is a Bedrock API key and written as it is")
    func apiKeys() throws {
        #expect(signer.document(in: Secret("ABSKQmVkcm9ja0FQSUtleQ==")) == nil)
        #expect(signer.document(in: Secret("\n {\"accessKeyId\":1}"))?.reveal() == "\n {\"accessKeyId\":1}")
        let bedrock = try #require(ProviderRegistry.builtIn.provider(segment: "aws-bedrock"))
        #expect(bedrock.credential.derivation.scheme != nil)
        #expect(bedrock.credential.place?("ABSK") == nil)
        #expect(bedrock.credential.place?(key().reveal()) == CredentialPlace(region: "eu-west-1"))
    }
}
