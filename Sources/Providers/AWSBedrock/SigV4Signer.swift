import GatewayCore
import WireFormats

/// AWS Signature Version 4 for Bedrock's two hosts (providers.md §2.5).
///
/// Signed are `content-type`, `host`, `x-amz-date` and `x-amz-security-token`, as far as there are some, and the
/// payload. The path is encoded once more than it is sent, consecutive slashes count as one.
/// - Source: AWS, "Create a signed AWS API request"; botocore's signer · documented, observed
struct SigV4Signer: RequestSigner {
    let replacedHeaders: [StaticString] = [
        "authorization", "x-api-key", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256",
    ]

    /// A key that is a JSON object is an access key; every other is a Bedrock API key.
    func document(in key: Secret<String>) -> Secret<String>? { AWSAccessKey.isDocument(key.reveal()) ? key : nil }

    func headers(
        for request: SignableRequest, with document: Secret<String>, at now: Instant, _ digests: any MessageDigests
    ) throws(GatewayError) -> [(name: String, value: Secret<String>)] {
        guard let key = AWSAccessKey(document) else {
            throw GatewayError(
                .storedKeyUnavailable, origin: .gateway,
                message: "The credential for Amazon Bedrock must be an API key, or a JSON object with "
                    + "accessKeyId, secretAccessKey, region and, for temporary credentials, sessionToken"
            )
        }
        guard let host = BedrockHost(request.canonicalAuthority) else {
            throw GatewayError(
                .storedKeyUnavailable, origin: .gateway, detail: "not a host to sign for: \(request.canonicalAuthority)"
            )
        }
        let time = Self.time(now)
        let scope = "\(time.prefix(8))/\(host.region)/\(host.service)/aws4_request"
        var signed = ["host": request.authority, "x-amz-date": time]
        let types = request.headers.filter { $0.name.lowercased() == "content-type" }
        if !types.isEmpty { signed["content-type"] = types.map { Self.trimmed($0.value) }.joined(separator: ",") }
        if let token = key.sessionToken { signed["x-amz-security-token"] = token.reveal() }
        let names = signed.keys.sorted().joined(separator: ";")
        let canonical = [
            request.method, Self.canonicalPath(request.path), Self.canonicalQuery(request.query ?? ""),
            signed.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)\n" }.joined(), names,
            Self.hex(request.payloadDigest),
        ].joined(separator: "\n")
        let digest = Array(canonical.utf8).withUnsafeBytes { digests.sha256($0) }
        let text = "AWS4-HMAC-SHA256\n\(time)\n\(scope)\n\(Self.hex(digest))"
        var signature: [UInt8]? = Array("AWS4\(key.secret.reveal())".utf8)
        for part in scope.split(separator: "/").map(String.init) + [text] {
            signature = signature.flatMap { digests.hmacSHA256(key: $0, message: Array(part.utf8)) }
        }
        guard let signature else {
            throw GatewayError(.internalFailure, origin: .gateway, detail: "HMAC-SHA-256 is not available")
        }
        let authorization =
            "AWS4-HMAC-SHA256 Credential=\(key.id)/\(scope), SignedHeaders=\(names), Signature=\(Self.hex(signature))"
        var fields = [
            (name: "x-amz-date", value: Secret(time)), (name: "authorization", value: Secret(authorization)),
        ]
        if let token = key.sessionToken { fields.append((name: "x-amz-security-token", value: token)) }
        return fields
    }

    // MARK: Canonical forms

    /// The instant as `20260102T030405Z`.
    static func time(_ instant: Instant) -> String {
        Timestamp.text(instant).filter { $0 != "-" && $0 != ":" }.prefix(15) + "Z"
    }

    /// The path as it is sent, each of its segments encoded once more.
    static func canonicalPath(_ path: String) -> String {
        let segments = path.split(separator: "/")
        let end = path.utf8.last == 0x2F && !segments.isEmpty ? "/" : ""
        return "/" + segments.map { encoded($0.utf8) }.joined(separator: "/") + end
    }

    /// The query's pairs, encoded strictly and sorted by what they are written as.
    static func canonicalQuery(_ query: String) -> String {
        let pairs = query.split(separator: "&").map { pair in
            let equals = pair.firstIndex(of: "=")
            let name = pair[..<(equals ?? pair.endIndex)]
            let value = equals.map { pair[pair.index(after: $0)...] } ?? ""
            return (name: encodedOnce(name), value: encodedOnce(value))
        }
        return pairs.sorted { ($0.name, $0.value) < ($1.name, $1.value) }
            .map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    }

    /// What was encoded already in one way or another, encoded strictly.
    private static func encodedOnce(_ text: Substring) -> String {
        encoded(UntrustedPath.percentDecoded(bytesOf: text.utf8))
    }

    /// All bytes but unreserved characters (RFC 3986 §2.3) as `%XX`.
    private static func encoded(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        for byte in bytes {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: text.append(byte)
            default: text += [0x25, upper(byte >> 4), upper(byte & 0xF)]
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func upper(_ digit: UInt8) -> UInt8 { digit < 10 ? digit + 0x30 : digit + 0x37 }

    /// A field's value without space around it, and with single spaces inside.
    private static func trimmed(_ value: String) -> String {
        value.split(whereSeparator: { $0 == " " || $0 == "\t" }).joined(separator: " ")
    }

    /// Lower-case hexadecimal digits.
    static func hex(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for byte in bytes {
            for digit in [byte >> 4, byte & 0xF] { text.append(digit < 10 ? digit + 0x30 : digit + 0x57) }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
