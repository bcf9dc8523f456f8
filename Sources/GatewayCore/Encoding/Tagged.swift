package import NIOCore

/// Writes numbered fields, so that older and newer processes of one node can read each other's files and messages.
///
/// Form of a field: `u16` little endian = number << 2 | type, then by type
/// 0: LEB128 variable-length integer · 1: `u32` length and that many bytes · 2: eight bytes.
/// A reader skips numbers it does not know; an absent field means nil or the default.
package struct TaggedWriter {
    package var buffer: ByteBuffer

    package init(_ buffer: ByteBuffer = ByteBuffer()) { self.buffer = buffer }

    private mutating func head(_ field: UInt16, _ type: UInt16) {
        buffer.writeInteger(field << 2 | type, endianness: .little)
    }

    package mutating func write(_ field: UInt16, _ value: UInt64) {
        buffer.reserveCapacity(minimumWritableBytes: 12)
        head(field, 0)
        var rest = value
        while rest > 0x7f {
            buffer.writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        buffer.writeInteger(UInt8(rest))
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
        guard let text else { return }
        head(field, 1)
        buffer.writeInteger(UInt32(text.utf8.count), endianness: .little)
        buffer.writeString(text)
    }

    package mutating func write(_ field: UInt16, bytes: [UInt8]?) {
        guard let bytes else { return }
        head(field, 1)
        buffer.writeInteger(UInt32(bytes.count), endianness: .little)
        buffer.writeBytes(bytes)
    }

    package mutating func write(_ field: UInt16, bytes: ByteBuffer?) {
        guard let bytes else { return }
        head(field, 1)
        buffer.writeInteger(UInt32(bytes.readableBytes), endianness: .little)
        buffer.writeImmutableBuffer(bytes)
    }

    package mutating func write(_ field: UInt16, fixed value: UInt64) {
        head(field, 2)
        buffer.writeInteger(value, endianness: .little)
    }

    /// Writes a nested group of fields.
    package mutating func write(_ field: UInt16, nested body: (inout TaggedWriter) -> Void) {
        head(field, 1)
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
