package import GatewayCore

/// Signs calls with a key that itself is never sent.
///
/// Pure: the same call, key and instant give the same signature.
package protocol RequestSigner: CredentialScheme {
    /// Lower-case names of fields that are taken out of the head before it is signed: a client may have sent some.
    var replacedHeaders: [StaticString] { get }

    /// The fields that make a call a signed one; written after the others.
    ///
    /// - Parameter document: as `document(in:)` found it.
    /// - Errors: `.storedKeyUnavailable` with a message for the client, for a document that lacks something and for a
    ///   host that is not one to sign for.
    func headers(
        for request: SignableRequest, with document: Secret<String>, at now: Instant, _ digests: any MessageDigests
    ) throws(GatewayError) -> [(name: String, value: Secret<String>)]
}

/// One call as its signature covers it.
package struct SignableRequest: Sendable {
    package var method: String
    /// The `Host` that is sent.
    package var authority: String
    /// The provider's own authority, whatever address the operator set: service and region follow from it.
    package var canonicalAuthority: String
    /// As it is sent, percent-encoding included.
    package var path: String
    /// Without the question mark; as it is sent.
    package var query: String?
    /// All fields of the head but `Host` and the body's framing, as they are sent.
    package var headers: [(name: String, value: String)]
    /// SHA-256 of the payload, 32 bytes.
    package var payloadDigest: [UInt8]

    package init(
        method: String, authority: String, canonicalAuthority: String, path: String, query: String?,
        headers: [(name: String, value: String)], payloadDigest: [UInt8]
    ) {
        self.method = method
        self.authority = authority
        self.canonicalAuthority = canonicalAuthority
        self.path = path
        self.query = query
        self.headers = headers
        self.payloadDigest = payloadDigest
    }
}
