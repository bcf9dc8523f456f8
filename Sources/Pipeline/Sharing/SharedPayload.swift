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
    /// The first piece, which is all there is of most answers, and what follows it.
    private var first = ByteBuffer()
    private var more: [ByteBuffer] = []
    private var expectedLength = 0
    private var readers: [SharedReply] = []
    private let budget: HeldBytes

    /// Pieces below this size grow; what is copied for that is never more.
    private static let smallPiece = 4096
    /// Most bytes for which there is room before they come.
    private static let expected = 64 << 10

    init(budget: HeldBytes) { self.budget = budget }

    deinit {
        // Whoever holds a payload lives on the loop.
        let budget = budget
        let length = length
        WorkerLoop.onLoop { budget.giveBack(length) }
    }

    private var count: Int { first.readableBytes == 0 ? 0 : more.count + 1 }

    private func piece(_ index: Int) -> ByteBuffer { index == 0 ? first : more[index - 1] }

    /// Has the first piece make room for a payload of this length; a large one gets room as it comes.
    func expect(_ length: Int) { if length <= Self.expected { expectedLength = length } }

    var hasReaders: Bool { !readers.isEmpty }

    /// Adds bytes; false, and nothing is added, when there is no memory for them.
    func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count > 0 else { return true }
        guard budget.take(bytes.count) else { return false }
        if length == 0 { first.reserveCapacity(expectedLength) }
        length += bytes.count
        if more.isEmpty, first.readableBytes < Self.smallPiece || first.writableBytes >= bytes.count {
            first.writeBytes(bytes)
        } else if let last = more.indices.last, more[last].readableBytes < Self.smallPiece {
            more[last].writeBytes(bytes)
        } else {
            more.append(ByteBuffer(bytes: bytes))
        }
        wakeReaders()
        return true
    }

    /// Adds a buffer without copying it; false when there is no memory for it.
    func append(_ bytes: ByteBuffer) -> Bool {
        guard bytes.readableBytes > 0 else { return true }
        guard budget.take(bytes.readableBytes) else { return false }
        length += bytes.readableBytes
        if count == 0 { first = bytes } else { more.append(bytes) }
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
        while position.piece < count {
            let piece = piece(position.piece)
            let count = min(piece.readableBytes - position.offset, most)
            if count > 0 {
                let slice = piece.getSlice(at: piece.readerIndex + position.offset, length: count)
                position.offset += count
                return slice
            }
            // The last piece may still grow.
            guard position.piece + 1 < self.count else { return nil }
            position.piece += 1
            position.offset = 0
        }
        return nil
    }

    /// Whether everything there is lies before a position.
    func isAtEnd(_ position: Position) -> Bool {
        position.piece >= count
            || position.piece == count - 1 && position.offset == piece(position.piece).readableBytes
    }

    /// The position of a byte offset.
    private func position(at offset: Int) -> Position {
        var position = Position()
        var rest = min(offset, length)
        while position.piece + 1 < count, rest >= piece(position.piece).readableBytes {
            rest -= piece(position.piece).readableBytes
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
        if more.isEmpty { return first }
        var whole = ByteBuffer()
        whole.reserveCapacity(length)
        for index in 0..<count { whole.writeImmutableBuffer(piece(index)) }
        return whole
    }

    /// Whether `other` begins with what is here.
    func isPrefix(of other: ByteBuffer) -> Bool {
        guard other.readableBytes >= length else { return false }
        return other.withUnsafeReadableBytes { bytes in
            var offset = 0
            for index in 0..<count {
                let piece = piece(index)
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
