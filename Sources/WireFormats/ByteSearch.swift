import CByteKernels

/// Finds byte sequences in byte sequences.
package enum ByteSearch {
    /// Whether `needle`, which must not be empty, occurs in `haystack`.
    package static func contains(_ haystack: UnsafeRawBufferPointer, _ needle: UnsafeRawBufferPointer) -> Bool {
        guard needle.count > 0, haystack.count >= needle.count else { return false }
        return aig_find(haystack.baseAddress, haystack.count, needle.baseAddress, needle.count) >= 0
    }
}
