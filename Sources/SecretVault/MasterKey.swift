import COpenSSL
package import GatewayCore

/// The key that wraps the data key of every stored secret: 32 bytes, overwritten when the last user lets go of it.
///
/// - Source of the bytes: an inherited descriptor in a child process, the key file in the supervisor; never argv or
///   environment.
@safe package final class MasterKey: Sendable {
    package static let length = 32

    // SAFETY: allocated and filled in `init`, only read afterwards, freed in `deinit` when nobody can read any more.
    nonisolated(unsafe) private let storage: UnsafeMutableRawBufferPointer
    /// Names the key without telling anything about it: the first eight bytes of an HMAC under it.
    package let fingerprint: [UInt8]

    /// Copies `bytes` into memory of its own.
    package init(_ bytes: Secret<[UInt8]>) throws(VaultError) {
        let content = bytes.reveal()
        guard content.count == Self.length else { throw .masterKeyLength(content.count) }
        let mac = try Digest.hmacSHA256(key: content, message: Array("aigatewayd/master-key-id/v1".utf8))
        fingerprint = Array(mac.prefix(8))
        unsafe storage = .allocate(byteCount: Self.length, alignment: 16)
        unsafe storage.copyBytes(from: content)
    }

    deinit {
        unsafe OPENSSL_cleanse(storage.baseAddress, storage.count)
        unsafe storage.deallocate()
    }

    /// Lends the key's bytes to `body`, which must not keep them.
    func withBytes<T>(_ body: (UnsafeRawBufferPointer) throws(VaultError) -> T) throws(VaultError) -> T {
        try unsafe body(UnsafeRawBufferPointer(storage))
    }

    /// A new random key, for the first start of an installation.
    package static func generate() throws(VaultError) -> Secret<[UInt8]> {
        Secret(try RandomBytes.make(count: length))
    }
}
