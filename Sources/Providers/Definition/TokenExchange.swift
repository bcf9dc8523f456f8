package import GatewayCore
package import NIOCore

/// Exchanges a key that itself is never sent for an access token (RFC 7523).
///
/// Pure: who signs and who sends is not its business.
package protocol TokenExchange: CredentialScheme {
    /// Where tokens are asked for; never what a key says, but the operator may say otherwise (decisions 11).
    var endpoint: UpstreamRoot { get set }

    /// What a token is asked for with.
    ///
    /// - Parameter document: as `document(in:)` found it.
    /// - Errors: `.storedKeyUnavailable` with a message for the client, for a document that lacks something.
    func assertion(of document: Secret<String>, at now: Instant) throws(GatewayError) -> TokenAssertion

    /// The body of the request, `application/x-www-form-urlencoded`.
    func form(_ assertion: TokenAssertion, signature: [UInt8]) -> ByteBuffer

    /// The token in an answer of the endpoint.
    ///
    /// - Errors: `.storedKeyUnavailable` with a message for the client that names the endpoint's reason; worth another
    ///   attempt where the endpoint had a weakness of its own.
    func token(status: Int, _ body: UnsafeRawBufferPointer) throws(GatewayError) -> AccessToken
}

/// A statement that is signed to prove the possession of a key.
package struct TokenAssertion: Sendable {
    /// The bytes that are signed.
    package var signingInput: String
    /// PEM.
    package var privateKey: Secret<String>

    package init(signingInput: String, privateKey: Secret<String>) {
        self.signingInput = signingInput
        self.privateKey = privateKey
    }
}

/// What a key was exchanged for.
package struct AccessToken: Sendable {
    package var value: Secret<String>
    package var lifetime: Duration

    package init(value: Secret<String>, lifetime: Duration) {
        self.value = value
        self.lifetime = lifetime
    }
}
