package import NIOCore

extension ByteBuffer {
    /// The same bytes, with a copy of them where they are a small part of a buffer that would be held for their sake.
    ///
    /// What a connection read may be a hundred bytes in a buffer of 32 KiB; who keeps many of those keeps it all.
    package var inOwnMemory: ByteBuffer {
        isWasteful ? withUnsafeReadableBytes { ByteBuffer(bytes: $0) } : self
    }

    /// Whether so much more memory hangs on these bytes that copying them is worth it.
    package var isWasteful: Bool {
        storageCapacity >= Self.roomy && readableBytes < storageCapacity / Self.share
    }

    /// Buffers below this size are kept as they are.
    private static var roomy: Int { 8192 }
    /// The part of a buffer that has to be in use.
    private static var share: Int { 4 }
}
