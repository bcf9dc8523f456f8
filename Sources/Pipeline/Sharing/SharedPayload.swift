import GatewayCore
import NIOCore

/// The payload of one answer that several clients read, as far as it has come.
///
/// - growing: bytes are added. Next: complete or broken.
/// - complete, broken: nothing is added.
@WorkerLoop
final class SharedPayload {
    enum State: Sendable, Equatable { case growing, complete, broken }

    /// A place in the payload.
    struct Position: Sendable {
        fileprivate var piece = 0
        fileprivate var offset = 0
    }

    private(set) var state = State.growing
    private(set) var length = 0
    private var pieces: [ByteBuffer] = []
    private var readers: [SharedReply] = []
    private let budget: HeldBytes

    /// Pieces below this size grow; what is copied for that is never more.
    private static let smallPiece = 4096

    init(budget: HeldBytes) { self.budget = budget }

    isolated deinit { budget.giveBack(length) }

    var hasReaders: Bool { !readers.isEmpty }

    /// Adds bytes; false, and nothing is added, when there is no memory for them.
    func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count > 0 else { return true }
        guard budget.take(bytes.count) else { return false }
        length += bytes.count
        if let last = pieces.indices.last, pieces[last].readableBytes < Self.smallPiece {
            pieces[last].writeBytes(bytes)
        } else {
            pieces.append(ByteBuffer(bytes: bytes))
        }
        wakeReaders()
        return true
    }

    /// Adds a buffer without copying it; false when there is no memory for it.
    func append(_ bytes: ByteBuffer) -> Bool {
        guard bytes.readableBytes > 0 else { return true }
        guard budget.take(bytes.readableBytes) else { return false }
        length += bytes.readableBytes
        pieces.append(bytes)
        wakeReaders()
        return true
    }

    func finish(_ end: State) {
        guard state == .growing else { return }
        state = end
        wakeReaders()
    }

    // MARK: Reading

    /// The bytes at a position, which moves behind them; nil when there are none yet.
    func next(_ position: inout Position, most: Int) -> ByteBuffer? {
        while position.piece < pieces.count {
            let piece = pieces[position.piece]
            let count = min(piece.readableBytes - position.offset, most)
            if count > 0 {
                let slice = piece.getSlice(at: piece.readerIndex + position.offset, length: count)
                position.offset += count
                return slice
            }
            // The last piece may still grow.
            guard position.piece + 1 < pieces.count else { return nil }
            position.piece += 1
            position.offset = 0
        }
        return nil
    }

    /// Whether everything there is lies before a position.
    func isAtEnd(_ position: Position) -> Bool {
        position.piece >= pieces.count
            || position.piece == pieces.count - 1 && position.offset == pieces[position.piece].readableBytes
    }

    /// The position of a byte offset.
    private func position(at offset: Int) -> Position {
        var position = Position()
        var rest = min(offset, length)
        while position.piece + 1 < pieces.count, rest >= pieces[position.piece].readableBytes {
            rest -= pieces[position.piece].readableBytes
            position.piece += 1
        }
        position.offset = rest
        return position
    }

    /// Bytes from an offset on, in one buffer.
    func bytes(from offset: Int, most: Int) -> ByteBuffer {
        var position = position(at: offset)
        var bytes = ByteBuffer()
        while bytes.readableBytes < most, let part = next(&position, most: most - bytes.readableBytes) {
            bytes.writeImmutableBuffer(part)
        }
        return bytes
    }

    /// All bytes in one buffer.
    func whole() -> ByteBuffer {
        if pieces.count == 1 { return pieces[0] }
        var whole = ByteBuffer()
        whole.reserveCapacity(length)
        for piece in pieces { whole.writeImmutableBuffer(piece) }
        return whole
    }

    /// Whether `other` begins with what is here.
    func isPrefix(of other: ByteBuffer) -> Bool {
        guard other.readableBytes >= length else { return false }
        return other.withUnsafeReadableBytes { bytes in
            var offset = 0
            for piece in pieces {
                let end = offset + piece.readableBytes
                let part = UnsafeRawBufferPointer(rebasing: bytes[offset..<end])
                guard piece.withUnsafeReadableBytes({ $0.isSame(as: part) }) else { return false }
                offset = end
            }
            return true
        }
    }

    // MARK: Readers

    func add(_ reader: SharedReply) { readers.append(reader) }

    func remove(_ reader: SharedReply) { readers.removeAll { $0 === reader } }

    private func wakeReaders() {
        // A reader that comes to its end leaves the list.
        for reader in readers { reader.advance() }
    }
}
