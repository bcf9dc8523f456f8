/// A list of values as bytes that no other list has, written into space that somebody else has.
struct LengthPrefixedParts: ~Copyable {
    private let space: UnsafeMutableRawBufferPointer
    private var count = 0

    /// Most bytes that a part takes besides its own.
    static let overhead = 9

    /// - Precondition: `space` has room for every part and `overhead` for each.
    init(_ space: UnsafeMutableRawBufferPointer) { self.space = space }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: space[..<count]) }

    mutating func add(byte: UInt8) {
        space[count] = byte
        count += 1
    }

    mutating func add(_ text: String) {
        var text = text
        text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
    }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        add(UInt64(bytes.count))
        UnsafeMutableRawBufferPointer(rebasing: space[count...]).copyMemory(from: bytes)
        count += bytes.count
    }

    /// An absent text differs from an empty one.
    mutating func add(optional text: String?) {
        guard let text else { return add(byte: 0) }
        add(byte: 1)
        add(text)
    }

    /// An absent number differs from zero.
    mutating func add(optional number: UInt64?) {
        guard let number else { return add(byte: 0) }
        add(byte: 1)
        add(number)
    }

    private mutating func add(_ number: UInt64) {
        space.storeBytes(of: number.littleEndian, toByteOffset: count, as: UInt64.self)
        count += 8
    }
}
