import CByteKernels
import GatewayCore
import Glibc
import NIOCore

/// How far each segment has been stored, on disk.
///
/// Losing it costs work, not data: the records before it are handed out a second time. There are two of them: one that is
/// written after every batch and survives the death of the process, and one that now and then is written to the disk.
struct SpoolCheckpoint: Equatable {
    /// Offset behind the last stored record, by `folder/segment`.
    var offsets: [String: Int] = [:]

    /// Reads the file; empty when it is missing or damaged.
    static func load(_ path: String) -> SpoolCheckpoint {
        guard let bytes = FileBytes.read(path) else { return SpoolCheckpoint() }
        var buffer = bytes
        guard let crc = buffer.readInteger(endianness: .little, as: UInt32.self),
            SpoolFrame.checksum(of: buffer, at: buffer.readerIndex, length: buffer.readableBytes) == crc
        else { return SpoolCheckpoint() }
        var checkpoint = SpoolCheckpoint()
        var reader = TaggedReader(buffer)
        while let field = reader.next() {
            guard field.number == 1 else { continue }
            var entry = field.nested
            var name = ""
            var offset = 0
            while let part = entry.next() {
                switch part.number {
                case 1: name = part.string
                case 2: offset = Int(clamping: part.unsigned)
                default: break
                }
            }
            checkpoint.offsets[name] = offset
        }
        return checkpoint
    }

    /// What is known by one of the two; offsets only grow.
    func merged(with other: SpoolCheckpoint) -> SpoolCheckpoint {
        SpoolCheckpoint(offsets: offsets.merging(other.offsets, uniquingKeysWith: max))
    }

    /// Replaces the file atomically.
    func save(_ path: String, durability: FileBytes.Durability = .pageCache) throws(SpoolError) {
        var out = TaggedWriter()
        for (name, offset) in offsets.sorted(by: { $0.key < $1.key }) {
            out.write(1) {
                $0.write(1, name)
                $0.write(2, UInt64(clamping: offset))
            }
        }
        var file = ByteBuffer()
        file.writeInteger(
            SpoolFrame.checksum(of: out.buffer, at: out.buffer.readerIndex, length: out.buffer.readableBytes),
            endianness: .little
        )
        file.writeImmutableBuffer(out.buffer)
        try FileBytes.replace(path, with: file, durability: durability)
    }
}
