import CByteKernels
import NIOCore

/// How one record lies in a segment: `u32` mark, `u32` length, `u32` CRC-32C of the payload (little endian), payload.
///
/// The mark lets a reader find the next record after damaged bytes.
package enum SpoolFrame {
    static let mark: UInt32 = 0x5249_4781
    static let headerLength = 12
    /// A payload beyond this is refused by the writer and taken for damage by the reader.
    package static let maxPayload = 64 << 20

    /// Appends a frame around what `body` writes; returns its whole length, or nil (and leaves the buffer as it was)
    /// when the payload is too large.
    static func append(to buffer: inout ByteBuffer, _ body: (inout ByteBuffer) -> Void) -> Int? {
        let start = buffer.writerIndex
        buffer.writeInteger(mark, endianness: .little)
        buffer.writeInteger(UInt64(0))
        body(&buffer)
        let length = buffer.writerIndex - start - headerLength
        guard length <= maxPayload else {
            buffer.moveWriterIndex(to: start)
            return nil
        }
        let crc = checksum(of: buffer, at: start + headerLength, length: length)
        buffer.setInteger(UInt64(length) | UInt64(crc) << 32, at: start + 4, endianness: .little)
        return length + headerLength
    }

    static func checksum(of buffer: ByteBuffer, at index: Int, length: Int) -> UInt32 {
        buffer.withUnsafeReadableBytes { bytes in
            aig_crc32c(0, bytes.baseAddress?.advanced(by: index - buffer.readerIndex), length)
        }
    }

    enum Step: Equatable {
        /// A whole and sound record; the reader has moved behind it.
        case record(ByteBuffer)
        /// More bytes are needed: at least this many from the reader index on.
        case incomplete(needed: Int)
        /// No record starts here.
        case damaged
    }

    /// Reads the frame at the reader index.
    static func next(in buffer: inout ByteBuffer) -> Step {
        let start = buffer.readerIndex
        guard buffer.readableBytes >= headerLength else { return .incomplete(needed: headerLength) }
        guard buffer.getInteger(at: start, endianness: .little, as: UInt32.self) == mark,
            let length = buffer.getInteger(at: start + 4, endianness: .little, as: UInt32.self),
            let crc = buffer.getInteger(at: start + 8, endianness: .little, as: UInt32.self),
            length <= maxPayload
        else { return .damaged }
        let whole = headerLength + Int(length)
        guard buffer.readableBytes >= whole else { return .incomplete(needed: whole) }
        guard checksum(of: buffer, at: start + headerLength, length: Int(length)) == crc,
            let payload = buffer.getSlice(at: start + headerLength, length: Int(length))
        else { return .damaged }
        buffer.moveReaderIndex(forwardBy: whole)
        return .record(payload)
    }

    /// Bytes from the reader index to the next mark after it, or to where one could still begin.
    static func distanceToNextMark(in buffer: ByteBuffer) -> Int {
        buffer.withUnsafeReadableBytes { bytes in
            guard let base = bytes.baseAddress, bytes.count > 4 else { return bytes.count }
            var pattern = mark.littleEndian
            let found = aig_find(base + 1, bytes.count - 1, &pattern, 4)
            return found >= 0 ? found + 1 : bytes.count - 3
        }
    }
}
