import COpenSSL

/// SHA-256, HMAC-SHA-256 and a comparison that takes the same time for every outcome.
package enum Digest {
    package static let length = 32

    // SAFETY: fetched once, an immutable and thread-safe object of the library, never freed.
    nonisolated(unsafe) static let sha256Algorithm: OpaquePointer? = unsafe EVP_MD_fetch(nil, "SHA256", nil)

    /// SHA-256 of `bytes`, 32 bytes.
    package static func sha256(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: length) { space, count in
            var written: UInt32 = 0
            let isDone = unsafe EVP_Digest(
                bytes.baseAddress, bytes.count, space.baseAddress, &written, sha256Algorithm, nil
            )
            guard isDone == 1, Int(written) == length else {
                preconditionFailure("SHA-256 is not available in this build of libcrypto")
            }
            count = length
        }
    }

    /// SHA-256 of `bytes`, 32 bytes.
    package static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        unsafe bytes.withUnsafeBytes { unsafe sha256($0) }
    }

    /// SHA-256 of the UTF-8 form of `text`, 32 bytes.
    package static func sha256(_ text: String) -> [UInt8] { sha256(Array(text.utf8)) }

    /// HMAC-SHA-256 (RFC 2104), 32 bytes.
    package static func hmacSHA256(key: [UInt8], message: [UInt8]) throws(VaultError) -> [UInt8] {
        var mac = [UInt8](repeating: 0, count: length)
        var written = 0
        // An empty key is a valid one; the library wants an address all the same.
        let usable = key.isEmpty ? [0] : key
        let isDone = unsafe usable.withUnsafeBytes { keyBytes in
            unsafe message.withUnsafeBufferPointer { text in
                unsafe mac.withUnsafeMutableBufferPointer { space in
                    unsafe EVP_Q_mac(
                        nil, "HMAC", nil, "SHA256", nil, keyBytes.baseAddress, key.count, text.baseAddress, text.count,
                        space.baseAddress, space.count, &written
                    ) != nil
                }
            }
        }
        guard isDone, written == length else { throw .operationFailed }
        return mac
    }

    /// Whether two byte strings are equal; how long the answer takes depends on their lengths only.
    package static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        return unsafe left.withUnsafeBytes { first in
            unsafe right.withUnsafeBytes { second in
                unsafe CRYPTO_memcmp(first.baseAddress, second.baseAddress, first.count) == 0
            }
        }
    }
}
