import COpenSSL

/// Encrypts parts of one log for the holder of an RSA key: a fresh AES-256-GCM key, wrapped with RSA-OAEP (SHA-256).
///
/// - Source: Cloudflare, AI Gateway Logpush, "Encrypt and decrypt" (control-plane §17) · documented: key, nonce and
///   ciphertext with the tag behind it; nonce of 12 bytes · assumed.
package struct PayloadEncryption: Sendable {
    /// One encrypted part.
    package struct Part: Sendable, Equatable {
        package var wrappedKey: [UInt8]
        package var nonce: [UInt8]
        /// Followed by the 16 bytes of the tag.
        package var ciphertext: [UInt8]
    }

    private static let acceptedBits: ClosedRange<Int32> = 2048...8192

    private let key: [UInt8]
    private let wrapped: [UInt8]

    /// Makes a key and wraps it.
    ///
    /// - Parameter publicKey: PEM of an RSA key (SPKI) of 2048 to 8192 bits.
    /// - Throws: `operationFailed` when it is none.
    package init(publicKey: String) throws(VaultError) {
        key = try RandomBytes.make(count: AuthenticatedCipher.keyLength)
        defer { ERR_clear_error() }
        let pem = Array(publicKey.utf8)
        guard !pem.isEmpty, pem.count <= 16 << 10, let parsed = unsafe Self.publicKey(pem) else {
            throw .operationFailed
        }
        defer { unsafe EVP_PKEY_free(parsed) }
        guard unsafe EVP_PKEY_is_a(parsed, "RSA") == 1, unsafe Self.acceptedBits.contains(EVP_PKEY_get_bits(parsed)),
            let wrapped = unsafe Self.wrap(key, parsed)
        else { throw .operationFailed }
        self.wrapped = wrapped
    }

    /// Encrypts one part under a nonce of its own.
    package func seal(_ plaintext: [UInt8]) throws(VaultError) -> Part {
        let nonce = try RandomBytes.make(count: AuthenticatedCipher.nonceLength)
        var sealed: Result<[UInt8], VaultError> = .failure(.operationFailed)
        unsafe key.withUnsafeBytes { bytes in
            do throws(VaultError) {
                sealed = .success(
                    try unsafe AuthenticatedCipher.seal(plaintext, key: bytes, nonce: nonce, authenticating: []))
            } catch {
                sealed = .failure(error)
            }
        }
        return Part(wrappedKey: wrapped, nonce: nonce, ciphertext: try sealed.get())
    }

    private static func publicKey(_ pem: [UInt8]) -> OpaquePointer? {
        unsafe pem.withUnsafeBytes { bytes in
            guard let source = unsafe BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else { return nil }
            defer { unsafe BIO_free(source) }
            return unsafe PEM_read_bio_PUBKEY(source, nil, nil, nil)
        }
    }

    private static func wrap(_ plaintext: [UInt8], _ publicKey: OpaquePointer) -> [UInt8]? {
        guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, publicKey, nil) else { return nil }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        guard unsafe EVP_PKEY_encrypt_init(context) == 1,
            unsafe EVP_PKEY_CTX_ctrl_str(context, "rsa_padding_mode", "oaep") == 1,
            unsafe EVP_PKEY_CTX_ctrl_str(context, "rsa_oaep_md", "sha256") == 1,
            unsafe EVP_PKEY_CTX_ctrl_str(context, "rsa_mgf1_md", "sha256") == 1
        else { return nil }
        var length = 0
        guard unsafe EVP_PKEY_encrypt(context, nil, &length, plaintext, plaintext.count) == 1 else { return nil }
        var wrapped = [UInt8](repeating: 0, count: length)
        let isDone = unsafe wrapped.withUnsafeMutableBufferPointer { space in
            unsafe EVP_PKEY_encrypt(context, space.baseAddress, &length, plaintext, plaintext.count) == 1
        }
        guard isDone, length <= wrapped.count else { return nil }
        return Array(wrapped[..<length])
    }
}
