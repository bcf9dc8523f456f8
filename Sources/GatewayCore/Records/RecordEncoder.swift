public import NIOCore

/// Writes the fields of one record into a region of memory, straight from where the values are.
///
/// The form is `TaggedWriter`'s. What does not fit is counted and not written: `ByteBuffer.writeRecord` then makes room
/// and has everything written again.
@usableFromInline
package struct RecordEncoder: ~Copyable {
    private let base: UnsafeMutableRawPointer
    private let capacity: Int
    /// Bytes that the fields so far take.
    fileprivate(set) var length = 0

    fileprivate init(_ space: UnsafeMutableRawBufferPointer) {
        // An empty region is never written to.
        base = space.baseAddress ?? UnsafeMutableRawPointer(bitPattern: 8).unsafelyUnwrapped
        capacity = space.count
    }

    @usableFromInline
    package mutating func write(_ field: RecordField, _ value: UInt64) { put(field.rawValue, value) }

    /// Signed values are zigzag encoded.
    @usableFromInline
    package mutating func write(_ field: RecordField, signed value: Int64?) {
        if let value { put(field.rawValue, signed: value) }
    }

    @usableFromInline
    package mutating func write(_ field: RecordField, _ value: Int?) {
        if let value { put(field.rawValue, signed: Int64(value)) }
    }

    /// Only what is true is written.
    @usableFromInline
    package mutating func write(_ field: RecordField, _ value: Bool) {
        if value { put(field.rawValue, 1) }
    }

    @usableFromInline
    package mutating func write(_ field: RecordField, fixed value: UInt64) {
        begin(field.rawValue, type: 2, length: 8)?.storeBytes(of: value.littleEndian, as: UInt64.self)
    }

    @usableFromInline
    package mutating func write(_ field: RecordField, _ bytes: UnsafeRawBufferPointer) { put(field.rawValue, bytes) }

    @usableFromInline
    package mutating func write(_ field: RecordField, _ text: String?) {
        if let text { put(field.rawValue, text) }
    }

    @usableFromInline
    package mutating func write(_ field: RecordField, _ bytes: ByteBuffer?) {
        bytes?.withUnsafeReadableBytes { put(field.rawValue, $0) }
    }

    /// Leaves the group out when nothing is known.
    package mutating func write(_ field: RecordField, _ usage: Usage) {
        let start = length
        let head = begin(field.rawValue, type: 1, length: 4)
        let inside = length
        usage.encode(into: &self)
        if length == inside {
            length = start
        } else {
            head?.storeBytes(of: UInt32(truncatingIfNeeded: length - inside).littleEndian, as: UInt32.self)
        }
    }

    mutating func write(usage field: UsageField, _ value: Int?) {
        if let value { put(field.rawValue, signed: Int64(value)) }
    }

    mutating func write(usage field: UsageField, _ text: String?) {
        if let text { put(field.rawValue, text) }
    }

    // MARK: The form

    /// Writes a field's head and returns where its `length` bytes go; nil when it does not fit, nor what follows.
    @inline(__always)
    private mutating func begin(_ number: UInt16, type: UInt16, length count: Int) -> UnsafeMutableRawPointer? {
        let start = length
        length += 2 + count
        guard length <= capacity else { return nil }
        base.storeBytes(of: (number << 2 | type).littleEndian, toByteOffset: start, as: UInt16.self)
        return base + start + 2
    }

    private mutating func put(_ number: UInt16, _ value: UInt64) {
        // Seven bits a byte; zero takes one as well.
        let count = max(1, (UInt64.bitWidth - value.leadingZeroBitCount + 6) / 7)
        guard let space = begin(number, type: 0, length: count) else { return }
        var rest = value
        for index in 0..<count {
            let more: UInt8 = index < count - 1 ? 0x80 : 0
            space.storeBytes(of: UInt8(truncatingIfNeeded: rest) & 0x7f | more, toByteOffset: index, as: UInt8.self)
            rest >>= 7
        }
    }

    private mutating func put(_ number: UInt16, signed value: Int64) {
        put(number, UInt64(bitPattern: (value << 1) ^ (value >> 63)))
    }

    private mutating func put(_ number: UInt16, _ bytes: UnsafeRawBufferPointer) {
        guard let space = begin(number, type: 1, length: 4 + bytes.count) else { return }
        space.storeBytes(of: UInt32(truncatingIfNeeded: bytes.count).littleEndian, as: UInt32.self)
        if let source = bytes.baseAddress { (space + 4).copyMemory(from: source, byteCount: bytes.count) }
    }

    private mutating func put(_ number: UInt16, _ text: String) {
        let isWritten: Void? = text.utf8.withContiguousStorageIfAvailable { put(number, UnsafeRawBufferPointer($0)) }
        guard isWritten == nil else { return }
        var copy = text
        copy.withUTF8 { put(number, UnsafeRawBufferPointer($0)) }
    }
}

extension ByteBuffer {
    /// Appends the record that `body` writes; `body` is called again with more room when `estimate` was too small.
    ///
    /// - Parameter estimate: bytes; better too many than too few.
    /// - Returns: the record's length.
    @usableFromInline
    @discardableResult
    package mutating func writeRecord(estimate: Int, _ body: (inout RecordEncoder) -> Void) -> Int {
        var room = estimate
        while true {
            var length = 0
            let written = writeWithUnsafeMutableBytes(minimumWritableBytes: room) { space in
                var encoder = RecordEncoder(space)
                body(&encoder)
                length = encoder.length
                return length <= space.count ? length : 0
            }
            if written == length { return length }
            room = length
        }
    }
}
