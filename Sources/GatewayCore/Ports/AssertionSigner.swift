/// Signs assertions with private keys that came as text.
package protocol AssertionSigner: Sendable {
    /// RS256 of RFC 7518 §3.3: RSASSA-PKCS1-v1_5 with SHA-256.
    ///
    /// - Parameter key: PEM of an RSA key, PKCS #8 or PKCS #1, without a pass phrase.
    /// - Errors: what is wrong with the key, without a part of it.
    func rs256(_ message: [UInt8], key: Secret<String>) throws(AssertionSigningFailure) -> [UInt8]
}

/// Why an assertion could not be signed.
package enum AssertionSigningFailure: Error, Sendable, Equatable {
    /// No PEM of a private key that the library can read.
    case unreadableKey
    /// The key is none of RSA, or of a length that is not accepted: 2048 to 4096 bits.
    case unsuitableKey
    /// The cryptographic library refused.
    case operationFailed
}
