/// A list of values as bytes that no other list has.
struct LengthPrefixedParts {
    private(set) var bytes: [UInt8] = []

    init() { bytes.reserveCapacity(512) }

    mutating func add(byte: UInt8) { bytes.append(byte) }

    mutating func add(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            add(UInt64(utf8.count))
            bytes.append(contentsOf: utf8)
        }
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
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }
}
