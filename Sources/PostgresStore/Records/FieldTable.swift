import GatewayCore

/// Where the members of an encoded record lie, found in one pass over its bytes, without decoding any.
///
/// Reads the form that `TaggedWriter` writes, as leniently as `TaggedReader` does: unknown numbers are passed over, of a
/// repeated member the last one counts, and a member of another type than expected reads as zero or as empty.
struct FieldTable<Field> {
    /// Whether a writer can have produced the bytes; what was read before the damage stands.
    enum Condition { case sound, damaged }

    /// Numbers from this on are not known here.
    private static var limit: Int { 64 }
    /// Of a slot, below the offset.
    private static var lengthBits: UInt64 { 32 }

    /// By number: the value of an integer; of bytes their offset and, in the lower half, their length.
    private var slots = InlineArray<64, UInt64>(repeating: 0)
    /// One bit per number.
    private var present: UInt64 = 0
    private var holdsBytes: UInt64 = 0
    private(set) var condition = Condition.sound

    /// - Parameter range: of `bytes`; offsets are counted from the beginning of `bytes`.
    init(_ bytes: UnsafeRawBufferPointer, in range: Range<Int>) {
        condition = unsafe read(bytes, range)
    }

    private mutating func read(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Condition {
        guard range.upperBound <= bytes.count, bytes.count <= Int(UInt32.max) else { return .damaged }
        var at = range.lowerBound
        let end = range.upperBound
        while at < end {
            guard end - at >= 2 else { return .damaged }
            let head = Int(UInt16(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: at, as: UInt16.self)))
            at += 2
            switch head & 3 {
            case 0:
                var value: UInt64 = 0
                var shift: UInt64 = 0
                while true {
                    guard at < end, shift < 64 else { return .damaged }
                    let byte = unsafe bytes[at]
                    at += 1
                    value |= UInt64(byte & 0x7f) &<< shift
                    if byte < 0x80 { break }
                    shift += 7
                }
                noteInteger(head >> 2, value)
            case 1:
                guard end - at >= 4 else { return .damaged }
                let length = Int(UInt32(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
                at += 4
                guard length <= end - at else { return .damaged }
                noteBytes(head >> 2, offset: at, length: length)
                at += length
            case 2:
                guard end - at >= 8 else { return .damaged }
                let value = unsafe bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)
                noteInteger(head >> 2, UInt64(littleEndian: value))
                at += 8
            default: return .damaged
            }
        }
        return .sound
    }

    private mutating func noteInteger(_ number: Int, _ value: UInt64) {
        guard number < Self.limit else { return }
        slots[number] = value
        present |= 1 &<< UInt64(number)
        holdsBytes &= ~(1 &<< UInt64(number))
    }

    private mutating func noteBytes(_ number: Int, offset: Int, length: Int) {
        guard number < Self.limit else { return }
        slots[number] = UInt64(offset) &<< Self.lengthBits | UInt64(length)
        present |= 1 &<< UInt64(number)
        holdsBytes |= 1 &<< UInt64(number)
    }

    @inline(__always)
    private func unsigned(number: UInt16) -> UInt64? {
        let bit: UInt64 = 1 &<< UInt64(number)
        guard present & bit != 0 else { return nil }
        return holdsBytes & bit == 0 ? slots[Int(number)] : 0
    }

    @inline(__always)
    private func signed(number: UInt16) -> Int64? {
        guard let raw = unsigned(number: number) else { return nil }
        return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
    }

    @inline(__always)
    private func range(number: UInt16) -> Range<Int>? {
        let bit: UInt64 = 1 &<< UInt64(number)
        guard present & bit != 0 else { return nil }
        guard holdsBytes & bit != 0 else { return 0..<0 }
        let offset = Int(slots[Int(number)] &>> Self.lengthBits)
        return offset..<offset + Int(slots[Int(number)] & 0xffff_ffff)
    }
}

// Twice the same, because only the number of a known type is a constant for the optimizer.

extension FieldTable<RecordField> {
    /// Nil when the member is absent; of bytes zero.
    @inline(__always)
    func unsigned(_ field: RecordField) -> UInt64? { unsigned(number: field.rawValue) }

    /// A zigzag-encoded number; nil when the member is absent.
    @inline(__always)
    func signed(_ field: RecordField) -> Int64? { signed(number: field.rawValue) }

    /// An absent member is false.
    @inline(__always)
    func bool(_ field: RecordField) -> Bool { (unsigned(field) ?? 0) != 0 }

    /// Where the bytes of a member lie; nil when it is absent, empty for an integer.
    @inline(__always)
    func range(_ field: RecordField) -> Range<Int>? { range(number: field.rawValue) }
}

extension FieldTable<UsageField> {
    /// A zigzag-encoded number; nil when the member is absent.
    @inline(__always)
    func signed(_ field: UsageField) -> Int64? { signed(number: field.rawValue) }

    /// Where the bytes of a member lie; nil when it is absent, empty for an integer.
    @inline(__always)
    func range(_ field: UsageField) -> Range<Int>? { range(number: field.rawValue) }
}
