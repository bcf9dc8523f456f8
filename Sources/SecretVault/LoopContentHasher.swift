import COpenSSL
package import GatewayCore

/// SHA-256 of contents that come in pieces.
///
/// Keeps one context of libcrypto for its whole life, so that hashing a request allocates nothing.
@safe @WorkerLoop
package final class LoopContentHasher: ContentHasher {
    // SAFETY: owned by this object, freed in `deinit`, used nowhere else.
    nonisolated(unsafe) private let context: OpaquePointer

    package init() throws(VaultError) {
        guard let context = unsafe EVP_MD_CTX_new() else { throw .operationFailed }
        unsafe self.context = unsafe context
        begin()
    }

    deinit {
        unsafe EVP_MD_CTX_free(context)
    }

    package func begin() {
        unsafe check(EVP_DigestInit_ex2(context, Digest.sha256Algorithm, nil))
    }

    package func update(_ piece: UnsafeRawBufferPointer) {
        guard piece.count > 0 else { return }
        unsafe check(EVP_DigestUpdate(context, piece.baseAddress, piece.count))
    }

    package func finish() -> ContentDigest {
        var words = SIMD4<UInt64>()
        unsafe withUnsafeMutableBytes(of: &words) { space in
            var written: UInt32 = 0
            unsafe check(
                EVP_DigestFinal_ex(context, space.baseAddress?.assumingMemoryBound(to: UInt8.self), &written)
            )
        }
        return ContentDigest(words: words)
    }

    /// These calls fail only where SHA-256 is missing altogether, or `begin` was forgotten.
    private func check(_ outcome: Int32) {
        guard outcome == 1 else { preconditionFailure("SHA-256 is not available in this build of libcrypto") }
    }
}
