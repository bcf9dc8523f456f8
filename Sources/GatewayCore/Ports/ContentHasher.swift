/// Computes SHA-256 piece by piece; one object serves a whole worker, one content after the other.
@WorkerLoop
package protocol ContentHasher: AnyObject {
    /// Starts a new content; whatever was fed before is forgotten.
    func begin()
    /// Adds the next piece.
    func update(_ piece: UnsafeRawBufferPointer)
    /// SHA-256 of all pieces since `begin`, 32 bytes; `begin` must follow before the next piece.
    func finish() -> [UInt8]
}
