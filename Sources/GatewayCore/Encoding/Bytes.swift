import Glibc

extension UnsafeRawBufferPointer {
    /// Whether both hold the same bytes.
    @usableFromInline
    package func isSame(as other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        guard count > 0, let own = baseAddress, let others = other.baseAddress else { return true }
        return memcmp(own, others, count) == 0
    }

    /// Whether both hold the same bytes.
    @usableFromInline
    package func isSame(as other: [UInt8]) -> Bool {
        other.withUnsafeBytes { isSame(as: $0) }
    }
}
