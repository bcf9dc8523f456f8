package import NIOCore

/// Writes numbered fields, so that older and newer processes of one node can read each other's files and messages.
///
/// Form of a field: `u16` little endian = number << 2 | type, then by type
/// 0: LEB128 variable-length integer · 1: `u32` length and that many bytes · 2: eight bytes.
/// A reader skips numbers it does not know; an absent field means nil or the default.
package struct TaggedWriter {
    package var buffer: ByteBuffer

    package init(_ buffer: ByteBuffer = ByteBuffer()) { self.buffer = buffer }

    /// The head of a field, with room for `extra` bytes behind it: one check of the buffer for both.
    private mutating func begin(
        _ field: UInt16, _ type: UInt16, extra: Int, _ rest: (UnsafeMutableRawBufferPointer) -> Int
    ) {
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 2 + extra) { space in
            space.storeBytes(of: (field << 2 | type).littleEndian, toByteOffset: 0, as: UInt16.self)
            return 2 + rest(UnsafeMutableRawBufferPointer(rebasing: space[2...]))
        }
    }

    package mutating func write(_ field: UInt16, _ value: UInt64) {
        begin(field, 0, extra: 10) { space in
            var rest = value
            var length = 0
            while rest > 0x7f {
                space[length] = UInt8(truncatingIfNeeded: rest) | 0x80
                rest >>= 7
                length += 1
            }
            space[length] = UInt8(rest)
            return length + 1
        }
    }

    /// Signed values are zigzag encoded.
    package mutating func write(_ field: UInt16, signed value: Int64) {
        write(field, UInt64(bitPattern: (value << 1) ^ (value >> 63)))
    }

    package mutating func write(_ field: UInt16, signed value: Int64?) {
        if let value { write(field, signed: value) }
    }

    package mutating func write(_ field: UInt16, _ value: Int?) {
        if let value { write(field, signed: Int64(value)) }
    }

    package mutating func write(_ field: UInt16, _ value: Bool) {
        if value { write(field, 1) }
    }

    package mutating func write(_ field: UInt16, _ text: String?) {
        guard var text else { return }
        text.withUTF8 { writeBytes(field, UnsafeRawBufferPointer($0)) }
    }

    private mutating func writeBytes(_ field: UInt16, _ bytes: UnsafeRawBufferPointer) {
        begin(field, 1, extra: 4 + bytes.count) { space in
            space.storeBytes(of: UInt32(bytes.count).littleEndian, toByteOffset: 0, as: UInt32.self)
            UnsafeMutableRawBufferPointer(rebasing: space[4...]).copyMemory(from: bytes)
            return 4 + bytes.count
        }
    }

    package mutating func write(_ field: UInt16, bytes: [UInt8]?) {
        guard let bytes else { return }
        bytes.withUnsafeBytes { writeBytes(field, $0) }
    }

    package mutating func write(_ field: UInt16, bytes: ByteBuffer?) {
        guard let bytes else { return }
        bytes.withUnsafeReadableBytes { writeBytes(field, $0) }
    }

    package mutating func write(_ field: UInt16, fixed value: UInt64) {
        begin(field, 2, extra: 8) { space in
            space.storeBytes(of: value.littleEndian, toByteOffset: 0, as: UInt64.self)
            return 8
        }
    }

    /// Writes a nested group of fields.
    package mutating func write(_ field: UInt16, nested body: (inout TaggedWriter) -> Void) {
        buffer.writeInteger(field << 2 | 1, endianness: .little)
        let lengthIndex = buffer.writerIndex
        buffer.writeInteger(UInt32(0), endianness: .little)
        body(&self)
        let length = buffer.writerIndex - lengthIndex - 4
        buffer.setInteger(UInt32(length), at: lengthIndex, endianness: .little)
    }
}

/// Reads what `TaggedWriter` wrote.
package struct TaggedReader {
    package enum Value {
        case integer(UInt64)
        case bytes(ByteBuffer)
        case fixed(UInt64)
    }

    package struct Field {
        package var number: UInt16
        package var value: Value

        package var unsigned: UInt64 {
            switch value {
            case .integer(let number), .fixed(let number): number
            case .bytes: 0
            }
        }
        package var signed: Int64 {
            let raw = unsigned
            return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
        }
        package var int: Int { Int(signed) }
        package var bool: Bool { unsigned != 0 }
        package var buffer: ByteBuffer {
            if case .bytes(let buffer) = value { return buffer }
            return ByteBuffer()
        }
        package var string: String { String(buffer: buffer) }
        package var array: [UInt8] { Array(buffer: buffer) }
        package var nested: TaggedReader { TaggedReader(buffer) }
    }

    private var buffer: ByteBuffer
    /// Whether bytes were met that no writer produces; what was read before stands.
    package private(set) var isDamaged = false

    package init(_ buffer: ByteBuffer) { self.buffer = buffer }

    package mutating func next() -> Field? {
        guard buffer.readableBytes > 0 else { return nil }
        guard let head = buffer.readInteger(endianness: .little, as: UInt16.self) else { return damaged() }
        let number = head >> 2
        switch head & 3 {
        case 0:
            var value: UInt64 = 0
            var shift: UInt64 = 0
            while true {
                guard let byte = buffer.readInteger(as: UInt8.self), shift < 64 else { return damaged() }
                value |= UInt64(byte & 0x7f) << shift
                if byte < 0x80 { return Field(number: number, value: .integer(value)) }
                shift += 7
            }
        case 1:
            guard let length = buffer.readInteger(endianness: .little, as: UInt32.self),
                let slice = buffer.readSlice(length: Int(length))
            else { return damaged() }
            return Field(number: number, value: .bytes(slice))
        case 2:
            guard let value = buffer.readInteger(endianness: .little, as: UInt64.self) else { return damaged() }
            return Field(number: number, value: .fixed(value))
        default: return damaged()
        }
    }

    private mutating func damaged() -> Field? {
        isDamaged = true
        buffer.moveReaderIndex(to: buffer.writerIndex)
        return nil
    }
}
