import NIOCore

/// Puts small pieces into one buffer, so that a head and a small body leave in one write.
///
/// Copying a few kilobytes is cheaper than a gathering write, and with TLS it makes one record of them.
struct WriteBatch {
    /// Pieces are joined up to this size; larger ones are passed on as they are.
    static let joinedLimit = 16 << 10

    private var held: ByteBuffer
    /// Whether `held` is the batch's own copy, which may grow.
    private var isOwn = false

    init(_ first: ByteBuffer = ByteBuffer()) { held = first }

    /// Adds a piece; calls `write` with what cannot be held back any longer.
    mutating func add(_ piece: ByteBuffer, write: (ByteBuffer) -> Void) {
        guard piece.readableBytes > 0 else { return }
        guard held.readableBytes > 0 else {
            held = piece
            isOwn = false
            return
        }
        guard held.readableBytes + piece.readableBytes <= Self.joinedLimit else {
            write(held)
            held = piece
            isOwn = false
            return
        }
        if !isOwn {
            var own = ByteBuffer()
            own.reserveCapacity(held.readableBytes + piece.readableBytes + 16)
            own.writeImmutableBuffer(held)
            held = own
            isOwn = true
        }
        held.writeImmutableBuffer(piece)
    }

    /// Passes on what is left.
    mutating func end(write: (ByteBuffer) -> Void) {
        guard held.readableBytes > 0 else { return }
        write(held)
        held = ByteBuffer()
        isOwn = false
    }
}
