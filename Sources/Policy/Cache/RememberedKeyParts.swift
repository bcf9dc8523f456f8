package import GatewayCore

/// What the keys of equal requests have in common, formed once: `CacheKeyParts` without the body.
package struct RememberedKeyParts: Sendable {
    /// With the caller's credential in it.
    private let bytes: Secret<[UInt8]>
    private let epoch: UInt64

    init(bytes: Secret<[UInt8]>, epoch: UInt64) {
        self.bytes = bytes
        self.epoch = epoch
    }

    /// The key that `CacheKeyParts.key(body:hasher:)` gives the same request.
    @WorkerLoop
    package func key(body: UnsafeRawBufferPointer, hasher: any ContentHasher) -> CacheKey {
        hasher.begin()
        bytes.reveal().withUnsafeBytes { hasher.update($0) }
        hasher.update(body)
        return CacheKey(digest: hasher.finish(), epoch: epoch)
    }
}
