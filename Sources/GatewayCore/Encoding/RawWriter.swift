public import NIOCore

/// Writes many small pieces into one region of a buffer, with one check of the buffer for all of them.
///
/// Heads and records consist of dozens of pieces; a buffer's own `write` looks at its storage for each.
/// - Limit: the capacity given to `ByteBuffer.compose`; writing beyond it traps.
@usableFromInline
package struct RawWriter: ~Copyable {
    @usableFromInline
    let base: UnsafeMutableRawPointer
    @usableFromInline
    var count = 0
    @usableFromInline
    let capacity: Int

    @usableFromInline
    init(_ space: UnsafeMutableRawBufferPointer) {
        // An empty region is never written to.
        base = space.baseAddress ?? UnsafeMutableRawPointer(bitPattern: 8).unsafelyUnwrapped
        capacity = space.count
    }

    @inlinable
    package mutating func write(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        precondition(bytes.count <= capacity - count, "a composed buffer exceeds its announced capacity")
        (base + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    @inlinable
    package mutating func write(_ text: StaticString) {
        write(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @inlinable
    package mutating func write(_ text: String) {
        let isWritten: Void? = text.utf8.withContiguousStorageIfAvailable { write(UnsafeRawBufferPointer($0)) }
        if isWritten == nil { for byte in text.utf8 { write(byte: byte) } }
    }

    /// Lets `body` write exactly `length` bytes.
    @inlinable
    package mutating func fill(_ length: Int, _ body: (UnsafeMutableRawPointer) -> Void) {
        precondition(length >= 0 && length <= capacity - count, "a composed buffer exceeds its announced capacity")
        body(base + count)
        count += length
    }

    @inlinable
    package mutating func write(byte: UInt8) {
        precondition(count < capacity, "a composed buffer exceeds its announced capacity")
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    /// Little-endian, without alignment.
    @inlinable
    package mutating func write<T: FixedWidthInteger & BitwiseCopyable>(integer: T) {
        precondition(MemoryLayout<T>.size <= capacity - count, "a composed buffer exceeds its announced capacity")
        base.storeBytes(of: integer.littleEndian, toByteOffset: count, as: T.self)
        count += MemoryLayout<T>.size
    }

    /// Puts `integer` at a place that was written before.
    @inlinable
    package mutating func overwrite<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int, integer: T) {
        precondition(offset >= 0 && offset + MemoryLayout<T>.size <= count, "nothing was written there")
        base.storeBytes(of: integer.littleEndian, toByteOffset: offset, as: T.self)
    }

    /// Decimal digits of a number that is not negative; of a negative one nothing.
    @usableFromInline
    package mutating func write(decimal number: Int) {
        guard number >= 0 else { return }
        var divisor = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            write(byte: 0x30 + UInt8(truncatingIfNeeded: number / divisor % 10))
            divisor /= 10
        }
    }
}

extension ByteBuffer {
    /// Appends what `body` writes, at most `capacity` bytes.
    @inlinable
    package mutating func compose(capacity: Int, _ body: (inout RawWriter) -> Void) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: capacity) { space in
            var writer = RawWriter(space)
            body(&writer)
            return writer.count
        }
    }
}
