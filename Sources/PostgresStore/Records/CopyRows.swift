import GatewayCore
import Glibc
import NIOCore

/// Rows in the binary form of `COPY`: header, rows of length-prefixed fields, trailer.
struct CopyRows {
    private var buffer = ByteBuffer()
    private(set) var count = 0
    /// NULLs that are not written yet: most rows have runs of them, which go out in one piece.
    private var nulls = 0

    init(capacity: Int) {
        buffer.reserveCapacity(capacity)
        // Signature, flags, length of the header's extension.
        buffer.writeBytes([0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0x00])
        buffer.writeInteger(UInt64(0))
    }

    mutating func startRow(fields: Int) {
        flushNulls()
        buffer.writeInteger(Int16(truncatingIfNeeded: fields))
        count += 1
    }

    /// The whole message, closed by the trailer.
    func finished() -> ByteBuffer {
        var closed = buffer
        closed.writeRepeatingByte(0xff, count: 4 * nulls)
        closed.writeInteger(Int16(-1))
        return closed
    }

    mutating func null() { nulls += 1 }

    /// A NULL is the length -1: four bytes of 0xff.
    private mutating func flushNulls() {
        guard nulls > 0 else { return }
        buffer.writeRepeatingByte(0xff, count: 4 * nulls)
        nulls = 0
    }

    /// Text without zero bytes, which PostgreSQL cannot hold; a `String` is valid UTF-8 by construction.
    mutating func text(_ value: String) {
        flushNulls()
        var value = value
        let isClean = value.withUTF8 { source in
            if let start = source.baseAddress, unsafe memchr(start, 0, source.count) != nil { return false }
            _ = unsafe buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: source.count + 4) { space in
                unsafe space.storeBytes(of: Int32(source.count).bigEndian, as: Int32.self)
                unsafe UnsafeMutableRawBufferPointer(rebasing: space[4...]).copyMemory(
                    from: UnsafeRawBufferPointer(source)
                )
                return source.count + 4
            }
            return true
        }
        if isClean { return }
        let kept = value.utf8.filter { $0 != 0 }
        buffer.writeInteger(Int32(kept.count))
        buffer.writeBytes(kept)
    }

    mutating func text(_ value: String?) {
        guard let value else { return null() }
        text(value)
    }

    mutating func int64(_ value: Int) { int64(Int64(value)) }
    mutating func int64(_ value: Int64) {
        flushNulls()
        buffer.writeMultipleIntegers(Int32(8), value)
    }

    mutating func int64(_ value: Int?) {
        guard let value else { return null() }
        int64(value)
    }

    mutating func int32(_ value: Int) {
        flushNulls()
        buffer.writeMultipleIntegers(Int32(4), Int32(clamping: value))
    }

    mutating func int32(_ value: Int?) {
        guard let value else { return null() }
        int32(value)
    }

    mutating func int16(_ value: Int?) {
        guard let value else { return null() }
        flushNulls()
        buffer.writeMultipleIntegers(Int32(2), Int16(clamping: value))
    }

    mutating func bool(_ value: Bool) {
        flushNulls()
        buffer.writeMultipleIntegers(Int32(1), UInt8(value ? 1 : 0))
    }

    mutating func instant(_ value: Instant) { int64(value.postgresMicroseconds) }

    mutating func bytes(_ value: ByteBuffer?) {
        guard let value else { return null() }
        flushNulls()
        buffer.writeInteger(Int32(clamping: value.readableBytes))
        buffer.writeImmutableBuffer(value)
    }

    /// `jsonb`; text that the type cannot hold becomes NULL.
    mutating func json(_ value: String?) {
        guard let value, StorableJSON.accepts(value) else { return null() }
        flushNulls()
        buffer.writeInteger(Int32(value.utf8.count + 1))
        buffer.writeInteger(UInt8(1))
        buffer.writeString(value)
    }

    /// `numeric`, exact, with no more decimals than the amount has.
    mutating func numeric(_ value: PicoUSD?) {
        guard let value else { return null() }
        flushNulls()
        var scale: Int16 = 12
        var shortened = value.picoDollars.magnitude
        while scale > 0, shortened % 10 == 0 {
            shortened /= 10
            scale -= 1
        }
        // Groups of four decimal digits, the least significant (10⁻¹² … 10⁻⁹) first.
        var groups: (UInt16, UInt16, UInt16, UInt16, UInt16) = (0, 0, 0, 0, 0)
        var rest = value.picoDollars.magnitude
        func next() -> UInt16 {
            defer { rest /= 10_000 }
            return UInt16(rest % 10_000)
        }
        groups = (next(), next(), next(), next(), next())
        let digits = [groups.4, groups.3, groups.2, groups.1, groups.0]
        guard let first = digits.firstIndex(where: { $0 != 0 }), let last = digits.lastIndex(where: { $0 != 0 }) else {
            buffer.writeMultipleIntegers(Int32(8), Int16(0), Int16(0), Int16(0), Int16(0))
            return
        }
        let count = last - first + 1
        buffer.writeMultipleIntegers(
            Int32(8 + 2 * count), Int16(count), Int16(1 - first), value.picoDollars < 0 ? Int16(0x4000) : Int16(0),
            scale
        )
        for digit in digits[first...last] { buffer.writeInteger(digit) }
    }
}
