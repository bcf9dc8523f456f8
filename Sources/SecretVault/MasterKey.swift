import COpenSSL
package import GatewayCore

/// The key that wraps the data key of every stored secret: 32 bytes, overwritten when the last user lets go of it.
///
/// During a rotation others stand beside it, which open what they wrapped and wrap nothing new.
///
/// - Source of the bytes: an inherited descriptor in a child process, the key file in the supervisor; never argv or
///   environment.
@safe package final class MasterKey: Sendable {
    package static let length = 32
    /// Keys that may stand together.
    package static let most = 4

    // SAFETY: allocated and filled in `init`, only read afterwards, freed in `deinit` when nobody can read any more.
    nonisolated(unsafe) private let storage: UnsafeMutableRawBufferPointer
    /// Names each key without telling anything about it: the first eight bytes of an HMAC under it.
    private let fingerprints: [[UInt8]]

    /// Copies `bytes` into memory of its own: the key that wraps, then those that only open.
    package init(_ bytes: Secret<[UInt8]>) throws(VaultError) {
        let content = bytes.reveal()
        guard !content.isEmpty, content.count.isMultiple(of: Self.length), content.count <= Self.most * Self.length
        else { throw .masterKeyLength(content.count) }
        var fingerprints: [[UInt8]] = []
        for start in stride(from: 0, to: content.count, by: Self.length) {
            let key = Array(content[start..<start + Self.length])
            let mac = try Digest.hmacSHA256(key: key, message: Array("aigatewayd/master-key-id/v1".utf8))
            fingerprints.append(Array(mac.prefix(8)))
        }
        self.fingerprints = fingerprints
        unsafe storage = .allocate(byteCount: content.count, alignment: 16)
        unsafe storage.copyBytes(from: content)
    }

    deinit {
        unsafe OPENSSL_cleanse(storage.baseAddress, storage.count)
        unsafe storage.deallocate()
    }

    /// Names the key that wraps.
    package var fingerprint: [UInt8] { fingerprints[0] }

    /// Lends the bytes of the key that wraps to `body`, which must not keep them.
    func withBytes<T>(_ body: (UnsafeRawBufferPointer) throws(VaultError) -> T) throws(VaultError) -> T {
        try unsafe body(bytes(of: 0))
    }

    /// Lends the bytes of the key with this fingerprint; throws `otherMasterKey` when it is not here.
    func withBytes<T>(
        named fingerprint: [UInt8], _ body: (UnsafeRawBufferPointer) throws(VaultError) -> T
    ) throws(VaultError) -> T {
        guard let index = fingerprints.firstIndex(where: { Digest.areEqual($0, fingerprint) }) else {
            throw .otherMasterKey
        }
        return try unsafe body(bytes(of: index))
    }

    private func bytes(of index: Int) -> UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(
            rebasing: UnsafeRawBufferPointer(storage)[index * Self.length..<(index + 1) * Self.length]
        )
    }

    /// A new random key, for the first start of an installation.
    package static func generate() throws(VaultError) -> Secret<[UInt8]> {
        Secret(try RandomBytes.make(count: length))
    }
}
