import GatewayCore

/// Writes the fields of one row of binary `COPY` into a region that holds them, mostly by copying from a source.
///
/// - Limit: the region's size; writing beyond it traps.
@safe struct RowWriter: ~Copyable {
    // SAFETY: both regions outlive the writer, which only lives inside `CopyRows.add`; every access is checked against
    // their sizes.
    private let space: UnsafeMutableRawBufferPointer
    private let source: UnsafeRawBufferPointer
    private(set) var count = 0

    init(_ space: UnsafeMutableRawBufferPointer, source: UnsafeRawBufferPointer) {
        unsafe self.space = space
        unsafe self.source = source
    }

    @inline(__always)
    private mutating func put<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
        precondition(unsafe MemoryLayout<T>.size <= space.count - count, "a row exceeds its announced size")
        unsafe space.storeBytes(of: value.bigEndian, toByteOffset: count, as: T.self)
        count += MemoryLayout<T>.size
    }

    private mutating func put(_ bytes: UnsafeRawBufferPointer) {
        precondition(unsafe bytes.count <= space.count - count, "a row exceeds its announced size")
        unsafe UnsafeMutableRawBufferPointer(rebasing: space[count...]).copyMemory(from: bytes)
        count += bytes.count
    }

    private mutating func put(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { unsafe put($0) }
    }

    mutating func begin(fields: Int) { put(Int16(truncatingIfNeeded: fields)) }

    /// A NULL is the length -1.
    mutating func null() { put(Int32(-1)) }

    mutating func int64(_ value: Int64) {
        put(Int32(8))
        put(value)
    }

    mutating func int64(_ value: Int64?) {
        guard let value else { return null() }
        int64(value)
    }

    mutating func int32(_ value: some BinaryInteger) {
        put(Int32(4))
        put(Int32(clamping: value))
    }

    mutating func int32(_ value: Int64?) {
        guard let value else { return null() }
        int32(value)
    }

    mutating func int16(_ value: Int64?) {
        guard let value else { return null() }
        put(Int32(2))
        put(Int16(clamping: value))
    }

    mutating func bool(_ value: Bool) {
        put(Int32(1))
        put(UInt8(value ? 1 : 0))
    }

    mutating func instant(_ value: Instant) { int64(value.postgresMicroseconds) }

    /// `bytea`, copied from the source.
    mutating func bytes(_ range: Range<Int>?) {
        guard let range else { return null() }
        put(Int32(clamping: range.count))
        unsafe put(UnsafeRawBufferPointer(rebasing: source[range]))
    }

    mutating func text(_ value: StaticString) {
        put(Int32(value.utf8CodeUnitCount))
        unsafe put(UnsafeRawBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
    }

    mutating func text(_ value: [UInt8]) {
        put(Int32(clamping: value.count))
        put(value)
    }

    /// Text copied from the source, and brought into a form that PostgreSQL can hold: what is not UTF-8 is replaced,
    /// zero bytes are left out.
    mutating func text(_ range: Range<Int>?) {
        guard let range else { return null() }
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: source[range])
        guard unsafe PlainText.holds(bytes) else { return unsafe text(PlainText.storable(bytes)) }
        put(Int32(clamping: range.count))
        unsafe put(bytes)
    }

    /// A name, cut when it is too long to be looked up by an index.
    mutating func indexedText(_ range: Range<Int>, limit: Int) {
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: source[range])
        if range.count <= limit, unsafe PlainText.holds(bytes) { return text(range) }
        let name = unsafe String(decoding: bytes, as: UTF8.self)
        text(PlainText.storable(name.utf8.count <= limit ? name : String(name.prefix(limit / 4))))
    }

    /// `jsonb`; text that the type cannot hold becomes NULL.
    mutating func json(_ range: Range<Int>?) {
        guard let range else { return null() }
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: source[range])
        let text: [UInt8] =
            if unsafe PlainText.holds(bytes) {
                unsafe Array(bytes)
            } else {
                unsafe Array(String(decoding: bytes, as: UTF8.self).utf8)
            }
        guard StorableJSON.accepts(text) else { return null() }
        put(Int32(clamping: text.count + 1))
        put(UInt8(1))
        put(text)
    }

    /// `numeric`, exact, with no more decimals than the amount has.
    mutating func numeric(picoDollars: Int64?) {
        guard let picoDollars else { return null() }
        // Groups of four decimal digits, the least significant (10⁻¹² … 10⁻⁹) last.
        var groups = InlineArray<5, UInt16>(repeating: 0)
        var rest = picoDollars.magnitude
        var first = 5
        var last = 0
        var index = 4
        while rest > 0 {
            let group = UInt16(truncatingIfNeeded: rest % 10_000)
            rest /= 10_000
            groups[index] = group
            if group != 0 {
                first = index
                last = max(last, index)
            }
            index -= 1
        }
        guard first <= last else {
            put(Int32(8))
            return put(UInt64(0))
        }
        // Each group below the point counts four decimals, less the zeros at the end of the last one.
        var scale = max(0, last - 1) * 4
        var digits = groups[last]
        while scale > 0, digits % 10 == 0 {
            digits /= 10
            scale -= 1
        }
        put(Int32(8 + 2 * (last - first + 1)))
        put(Int16(last - first + 1))
        put(Int16(1 - first))
        put(picoDollars < 0 ? Int16(0x4000) : Int16(0))
        put(Int16(scale))
        for index in first...last { put(groups[index]) }
    }
}
