/// The text of JSON strings: escapes undone and made.
enum JSONText {
    /// The four hexadecimal digits at `start` as one UTF-16 unit.
    static func hexUnit(_ bytes: UnsafeRawBufferPointer, at start: Int) -> UInt16? {
        guard start >= 0, bytes.count - start >= 4 else { return nil }
        var unit: UInt16 = 0
        for offset in start..<start + 4 {
            let digit: UInt8
            switch bytes[offset] {
            case let byte where byte &- 0x30 < 10: digit = byte &- 0x30
            case let byte where (byte | 0x20) &- 0x61 < 6: digit = (byte | 0x20) &- 0x61 + 10
            default: return nil
            }
            unit = unit << 4 | UInt16(digit)
        }
        return unit
    }

    /// The text of a well-formed string's inside, escapes undone; a lone surrogate becomes U+FFFD.
    static func unescaped(_ inside: UnsafeRawBufferPointer) -> String {
        var utf8: [UInt8] = []
        utf8.reserveCapacity(inside.count)
        var at = 0
        while at < inside.count {
            let byte = inside[at]
            guard byte == 0x5C, at + 1 < inside.count else {
                utf8.append(byte)
                at += 1
                continue
            }
            switch inside[at + 1] {
            case 0x62: utf8.append(0x08)
            case 0x66: utf8.append(0x0C)
            case 0x6E: utf8.append(0x0A)
            case 0x72: utf8.append(0x0D)
            case 0x74: utf8.append(0x09)
            case 0x75:
                let (scalar, length) = scalar(inside, at: at)
                utf8.append(contentsOf: Unicode.UTF8.encode(scalar) ?? Unicode.UTF8.encodedReplacementCharacter)
                at += length
                continue
            case let other: utf8.append(other)
            }
            at += 2
        }
        return String(decoding: utf8, as: UTF8.self)
    }

    /// The scalar that the `\u` escape at `start` begins, with how many bytes spell it.
    private static func scalar(_ bytes: UnsafeRawBufferPointer, at start: Int) -> (Unicode.Scalar, length: Int) {
        let replacement: Unicode.Scalar = "\u{FFFD}"
        guard let first = hexUnit(bytes, at: start + 2) else { return (replacement, 2) }
        if let scalar = Unicode.Scalar(first) { return (scalar, 6) }
        guard first < 0xDC00, bytes.count - start >= 12, bytes[start + 6] == 0x5C, bytes[start + 7] == 0x75,
            let second = hexUnit(bytes, at: start + 8), (0xDC00...0xDFFF).contains(second)
        else { return (replacement, 6) }
        let value = 0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00)
        return (Unicode.Scalar(value) ?? replacement, 12)
    }
}
