package import GatewayCore

/// Digests of calls that are signed.
package struct LibcryptoDigests: MessageDigests {
    package init() {}

    package func sha256(_ bytes: UnsafeRawBufferPointer) -> [UInt8] { unsafe Digest.sha256(bytes) }

    package func hmacSHA256(key: [UInt8], message: [UInt8]) -> [UInt8]? {
        try? Digest.hmacSHA256(key: key, message: message)
    }

    @WorkerLoop
    package func hasher() -> (any ContentHasher)? { try? LoopContentHasher() }
}
