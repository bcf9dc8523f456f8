/// Computes the digests that signatures of calls are made of.
package protocol MessageDigests: Sendable {
    /// SHA-256 of all bytes, 32 bytes.
    func sha256(_ bytes: UnsafeRawBufferPointer) -> [UInt8]
    /// HMAC-SHA-256 (RFC 2104), 32 bytes; nil when the cryptographic library refuses.
    func hmacSHA256(key: [UInt8], message: [UInt8]) -> [UInt8]?
    /// A hasher of its own for a content that takes several turns; nil when there is no memory for one.
    @WorkerLoop
    func hasher() -> (any ContentHasher)?
}
