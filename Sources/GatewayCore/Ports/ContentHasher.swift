/// Computes SHA-256 piece by piece; one object serves a whole worker, one content after the other.
@WorkerLoop
package protocol ContentHasher: AnyObject {
    /// Starts a new content; whatever was fed before is forgotten.
    func begin()
    /// Adds the next piece.
    func update(_ piece: UnsafeRawBufferPointer)
    /// SHA-256 of all pieces since `begin`; `begin` must follow before the next piece.
    func finish() -> ContentDigest
}

/// The 32 bytes of a SHA-256, within the value: names of answers are copied often.
package struct ContentDigest: Sendable, Hashable {
    /// The bytes as they lie in memory, eight to a word.
    package let words: SIMD4<UInt64>

    package init(words: SIMD4<UInt64>) { self.words = words }

    /// Takes the first 32 bytes; what is missing of them is zero.
    package init(_ bytes: [UInt8]) {
        var words = SIMD4<UInt64>()
        for (index, byte) in bytes.prefix(32).enumerated() {
            words[index / 8] |= UInt64(byte) << UInt64(index % 8 * 8)
        }
        self.words = SIMD4(words[0].littleEndian, words[1].littleEndian, words[2].littleEndian, words[3].littleEndian)
    }

    package var bytes: [UInt8] { withUnsafeBytes(of: words) { Array($0) } }
}
