import GatewayCore
import NIOCore
import WireFormats

/// Exchanges Google service accounts for access tokens (providers.md §2.4).
struct ServiceAccountExchange: TokenExchange {
    var endpoint = UpstreamRoot(
        origin: Origin(scheme: .https, host: "oauth2.googleapis.com"), prefix: "/token"
    )

    private static let scope = "https://www.googleapis.com/auth/cloud-platform"
    private static let grantType = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    /// Seconds that an assertion is good for; Google takes no longer ones.
    private static let assertionLife = 3600
    /// Seconds that a token is taken to live where the answer does not say, and the most that is believed.
    private static let usualLife = 3600
    private static let longestLife = 12 * 3600

    /// JSON as it is, or in base64: the form in which clients put it into a header (documented).
    static func document(in key: Secret<String>) -> Secret<String>? {
        let text = key.reveal()
        let start = text.utf8.drop { $0 == 0x20 || (0x09...0x0d).contains($0) }
        guard let first = start.first else { return nil }
        if first == UInt8(ascii: "{") { return key }
        // What begins with a brace begins so in base64.
        guard text.utf8.count > 16, first == UInt8(ascii: "e"), let second = start.dropFirst().first,
            (0x77...0x7a).contains(second), let decoded = Base64Text.decode(text[...]),
            decoded.utf8.first == UInt8(ascii: "{")
        else { return nil }
        return Secret(decoded)
    }

    func document(in key: Secret<String>) -> Secret<String>? { Self.document(in: key) }

    func assertion(of document: Secret<String>, at now: Instant) throws(GatewayError) -> TokenAssertion {
        let account = try ServiceAccount(document)
        var header = JSONWriter()
        header.beginObject()
        header.key("alg")
        header.string("RS256")
        header.key("typ")
        header.string("JWT")
        if let keyID = account.keyID {
            header.key("kid")
            header.string(keyID)
        }
        header.endObject()
        let seconds = Int(now.milliseconds / 1000)
        var claims = JSONWriter()
        claims.beginObject()
        claims.key("iss")
        claims.string(account.email)
        claims.key("sub")
        claims.string(account.email)
        claims.key("aud")
        claims.string(endpoint.origin.description + endpoint.prefix)
        claims.key("scope")
        claims.string(Self.scope)
        claims.key("iat")
        claims.int(seconds)
        claims.key("exp")
        claims.int(seconds + Self.assertionLife)
        claims.endObject()
        let parts = [header.buffer, claims.buffer].map { part in
            part.withUnsafeReadableBytes { Base64Text.encode($0, .url) }
        }
        return TokenAssertion(signingInput: parts.joined(separator: "."), privateKey: account.privateKey)
    }

    func form(_ assertion: TokenAssertion, signature: [UInt8]) -> ByteBuffer {
        // Nothing in an assertion needs escaping.
        ByteBuffer(
            string: "grant_type=" + Self.grantType.split(separator: ":").joined(separator: "%3A") + "&assertion="
                + assertion.signingInput + "." + Base64Text.encode(signature, .url)
        )
    }

    func token(status: Int, _ body: UnsafeRawBufferPointer) throws(GatewayError) -> AccessToken {
        let answer = JSONView(body)
        let isSound = JSONScan.validate(body) && answer.kind == .object
        guard status == 200 else {
            var reason = "status \(status)"
            if isSound {
                for name in ["error", "error_description"] as [StaticString] {
                    if let text = answer.member(name)?.string { reason += ": " + text.prefix(200) }
                }
            }
            let isPassing = status == 408 || status == 429 || status >= 500
            throw GatewayError(
                .storedKeyUnavailable, origin: .provider, retry: isPassing ? .always : .never,
                detail: "the token endpoint refused: " + reason,
                message: "The service account could not be exchanged for an access token (" + reason + ")"
            )
        }
        // A token is one word of visible characters, or it cannot stand in a header.
        guard isSound, let token = answer.member("access_token")?.string, !token.isEmpty,
            token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else {
            throw GatewayError(
                .storedKeyUnavailable, origin: .provider, detail: "the token endpoint's answer has no access token",
                message: "The service account could not be exchanged for an access token (unusable answer)"
            )
        }
        let life = answer.member("expires_in")?.int ?? Self.usualLife
        return AccessToken(value: Secret(token), lifetime: .seconds(min(max(life, 0), Self.longestLife)))
    }
}

/// The parts of a service account's JSON that an assertion is made of.
private struct ServiceAccount {
    var email: String
    var keyID: String?
    var privateKey: Secret<String>

    init(_ document: Secret<String>) throws(GatewayError) {
        var text = document.reveal()
        let found: (email: String?, keyID: String?, key: String?)? = text.withUTF8 { bytes in
            let bytes = UnsafeRawBufferPointer(bytes)
            let view = JSONView(bytes)
            guard JSONScan.validate(bytes), view.kind == .object else { return nil }
            return (
                view.member("client_email")?.string, view.member("private_key_id")?.string,
                view.member("private_key")?.string
            )
        }
        guard let found else { throw Self.unusable("it is no JSON object") }
        guard let email = found.email, !email.isEmpty else { throw Self.unusable("`client_email` is missing") }
        guard let key = found.key, !key.isEmpty else { throw Self.unusable("`private_key` is missing") }
        self.email = email
        keyID = found.keyID
        privateKey = Secret(key)
    }

    private static func unusable(_ reason: String) -> GatewayError {
        GatewayError(
            .storedKeyUnavailable, origin: .client, detail: "unusable service account: " + reason,
            message: "The service account cannot be used: " + reason
        )
    }
}
