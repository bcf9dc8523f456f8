import COpenSSL

/// AES-256-GCM with a 96-bit nonce and a 128-bit tag (NIST SP 800-38D).
enum AuthenticatedCipher {
    static let keyLength = 32
    static let nonceLength = 12
    static let tagLength = 16

    /// Encrypts `plaintext`; the tag follows the ciphertext.
    static func seal(
        _ plaintext: [UInt8], key: UnsafeRawBufferPointer, nonce: [UInt8], authenticating context: [UInt8]
    ) throws(VaultError) -> [UInt8] {
        guard key.count == keyLength, nonce.count == nonceLength, let engine = unsafe EVP_CIPHER_CTX_new() else {
            throw .operationFailed
        }
        defer { unsafe EVP_CIPHER_CTX_free(engine) }
        var sealed = [UInt8](repeating: 0, count: plaintext.count + tagLength)
        var length: Int32 = 0
        let keyBytes = unsafe key.assumingMemoryBound(to: UInt8.self).baseAddress
        guard unsafe EVP_EncryptInit_ex(engine, EVP_aes_256_gcm(), nil, keyBytes, nonce) == 1,
            unsafe EVP_EncryptUpdate(engine, nil, &length, context, Int32(context.count)) == 1,
            unsafe EVP_EncryptUpdate(engine, &sealed, &length, plaintext, Int32(plaintext.count)) == 1,
            Int(length) == plaintext.count
        else { throw .operationFailed }
        let isClosed = unsafe sealed.withUnsafeMutableBufferPointer { space in
            let tag = unsafe space.baseAddress.map { unsafe $0 + plaintext.count }
            var rest: Int32 = 0
            guard unsafe EVP_EncryptFinal_ex(engine, tag, &rest) == 1, rest == 0 else { return false }
            return unsafe EVP_CIPHER_CTX_ctrl(engine, EVP_CTRL_AEAD_GET_TAG, Int32(tagLength), tag) == 1
        }
        guard isClosed else { throw .operationFailed }
        return sealed
    }

    /// Decrypts what `seal` made; throws `notAuthentic` when any input differs from what was sealed.
    static func open(
        _ sealed: [UInt8], key: UnsafeRawBufferPointer, nonce: [UInt8], authenticating context: [UInt8]
    ) throws(VaultError) -> [UInt8] {
        guard sealed.count >= tagLength else { throw .notAuthentic }
        guard key.count == keyLength, nonce.count == nonceLength, let engine = unsafe EVP_CIPHER_CTX_new() else {
            throw .operationFailed
        }
        defer { unsafe EVP_CIPHER_CTX_free(engine) }
        let count = sealed.count - tagLength
        var tag = Array(sealed[count...])
        // One byte of slack, so that the address of an empty plaintext exists too.
        var plaintext = [UInt8](repeating: 0, count: count + 1)
        var length: Int32 = 0
        let keyBytes = unsafe key.assumingMemoryBound(to: UInt8.self).baseAddress
        guard unsafe EVP_DecryptInit_ex(engine, EVP_aes_256_gcm(), nil, keyBytes, nonce) == 1,
            unsafe EVP_DecryptUpdate(engine, nil, &length, context, Int32(context.count)) == 1,
            unsafe EVP_DecryptUpdate(engine, &plaintext, &length, sealed, Int32(count)) == 1,
            Int(length) == count,
            unsafe EVP_CIPHER_CTX_ctrl(engine, EVP_CTRL_AEAD_SET_TAG, Int32(tagLength), &tag) == 1
        else { throw .operationFailed }
        let isAuthentic = unsafe plaintext.withUnsafeMutableBufferPointer { space in
            var rest: Int32 = 0
            let end = unsafe space.baseAddress.map { unsafe $0 + count }
            return unsafe EVP_DecryptFinal_ex(engine, end, &rest) == 1
        }
        guard isAuthentic else {
            plaintext.wipe()
            throw .notAuthentic
        }
        plaintext.removeLast()
        return plaintext
    }
}

extension [UInt8] {
    /// Overwrites the content with zeros in a way that the optimizer keeps.
    mutating func wipe() {
        unsafe withUnsafeMutableBytes { space in unsafe OPENSSL_cleanse(space.baseAddress, space.count) }
    }
}
