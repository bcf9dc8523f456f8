import COpenSSL
package import GatewayCore

/// Signs assertions with RSA keys.
///
/// A signature takes about a millisecond of the loop; callers keep what it is exchanged for.
package struct RSAAssertionSigner: AssertionSigner {
    /// Shorter keys prove nothing, longer ones keep the loop busy.
    private static let acceptedBits: ClosedRange<Int32> = 2048...4096
    /// Bytes of the longest PEM that is looked at.
    private static let longestKey = 16 << 10

    package init() {}

    package func rs256(_ message: [UInt8], key: Secret<String>) throws(AssertionSigningFailure) -> [UInt8] {
        let pem = Array(key.reveal().utf8)
        guard !pem.isEmpty, pem.count <= Self.longestKey else { throw .unreadableKey }
        // What goes wrong leaves notes in a list of the thread's, which nobody else reads.
        defer { ERR_clear_error() }
        guard let parsed = unsafe Self.privateKey(pem) else { throw .unreadableKey }
        defer { unsafe EVP_PKEY_free(parsed) }
        guard unsafe EVP_PKEY_is_a(parsed, "RSA") == 1, unsafe Self.acceptedBits.contains(EVP_PKEY_get_bits(parsed))
        else { throw .unsuitableKey }
        guard let signature = unsafe Self.sign(message, parsed) else { throw .operationFailed }
        return signature
    }

    private static func privateKey(_ pem: [UInt8]) -> OpaquePointer? {
        unsafe pem.withUnsafeBytes { bytes in
            guard let source = unsafe BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else { return nil }
            defer { unsafe BIO_free(source) }
            // An empty pass phrase: without one the library would ask for it at the terminal.
            var phrase: CChar = 0
            return unsafe withUnsafeMutableBytes(of: &phrase) { phrase in
                unsafe PEM_read_bio_PrivateKey(source, nil, nil, phrase.baseAddress)
            }
        }
    }

    private static func sign(_ message: [UInt8], _ key: OpaquePointer) -> [UInt8]? {
        guard let context = unsafe EVP_MD_CTX_new() else { return nil }
        defer { unsafe EVP_MD_CTX_free(context) }
        guard unsafe EVP_DigestSignInit_ex(context, nil, "SHA256", nil, nil, key, nil) == 1 else { return nil }
        var length = 0
        guard unsafe EVP_DigestSign(context, nil, &length, message, message.count) == 1 else { return nil }
        var signature = [UInt8](repeating: 0, count: length)
        let isSigned = unsafe signature.withUnsafeMutableBufferPointer { space in
            unsafe EVP_DigestSign(context, space.baseAddress, &length, message, message.count) == 1
        }
        guard isSigned, length <= signature.count else { return nil }
        return Array(signature[..<length])
    }
}
