/// Whether `jsonb` can hold a JSON text.
///
/// Besides well-formed JSON it demands: no `\u0000`, no lone surrogates, numbers within `numeric`. One refused value
/// would fail the whole batch it travels in, so it is asked beforehand.
struct StorableJSON {
    private static let maxDepth = 32
    /// Longest notation of a number that is taken without knowing its value.
    private static let maxNumberLength = 300

    private let bytes: [UInt8]
    private var position = 0

    private init(bytes: [UInt8]) { self.bytes = bytes }

    /// - Parameter text: UTF-8.
    static func accepts(_ text: [UInt8]) -> Bool {
        var scanner = StorableJSON(bytes: text)
        guard scanner.value(depth: 0) else { return false }
        scanner.skipSpace()
        return scanner.position == scanner.bytes.count
    }

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = current, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { position += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard current == byte else { return false }
        position += 1
        return true
    }

    private mutating func take(word: StaticString) -> Bool {
        let length = word.utf8CodeUnitCount
        guard bytes.count - position >= length else { return false }
        let matches = word.withUTF8Buffer { unsafe $0.elementsEqual(bytes[position..<(position + length)]) }
        if matches { position += length }
        return matches
    }

    private mutating func value(depth: Int) -> Bool {
        skipSpace()
        switch current {
        case 0x7b: return depth < Self.maxDepth && members(depth: depth)
        case 0x5b: return depth < Self.maxDepth && elements(depth: depth)
        case 0x22: return string()
        case 0x74: return take(word: "true")
        case 0x66: return take(word: "false")
        case 0x6e: return take(word: "null")
        default: return number()
        }
    }

    private mutating func members(depth: Int) -> Bool {
        position += 1
        skipSpace()
        if take(0x7d) { return true }
        while true {
            skipSpace()
            guard string() else { return false }
            skipSpace()
            guard take(0x3a), value(depth: depth + 1) else { return false }
            skipSpace()
            if take(0x7d) { return true }
            guard take(0x2c) else { return false }
        }
    }

    private mutating func elements(depth: Int) -> Bool {
        position += 1
        skipSpace()
        if take(0x5d) { return true }
        while true {
            guard value(depth: depth + 1) else { return false }
            skipSpace()
            if take(0x5d) { return true }
            guard take(0x2c) else { return false }
        }
    }

    private mutating func string() -> Bool {
        guard take(0x22) else { return false }
        while let byte = current {
            position += 1
            switch byte {
            case 0x22: return true
            case 0..<0x20: return false
            case 0x5c:
                guard let escape = current else { return false }
                position += 1
                switch escape {
                case 0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74: continue
                case 0x75:
                    guard let unit = hexadecimal(), unit != 0 else { return false }
                    if (0xdc00...0xdfff).contains(unit) { return false }
                    if (0xd800...0xdbff).contains(unit) {
                        guard take(0x5c), take(0x75), let low = hexadecimal(), (0xdc00...0xdfff).contains(low) else {
                            return false
                        }
                    }
                default: return false
                }
            default: continue
            }
        }
        return false
    }

    private mutating func hexadecimal() -> UInt16? {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            let digit: UInt8
            switch current {
            case .some(let byte) where (0x30...0x39).contains(byte): digit = byte - 0x30
            case .some(let byte) where (0x41...0x46).contains(byte): digit = byte - 0x37
            case .some(let byte) where (0x61...0x66).contains(byte): digit = byte - 0x57
            default: return nil
            }
            unit = unit << 4 | UInt16(digit)
            position += 1
        }
        return unit
    }

    private mutating func digits() -> Int {
        let start = position
        while let byte = current, (0x30...0x39).contains(byte) { position += 1 }
        return position - start
    }

    private mutating func number() -> Bool {
        let start = position
        _ = take(0x2d)
        if !take(0x30) { guard digits() > 0 else { return false } }
        if take(0x2e) { guard digits() > 0 else { return false } }
        if take(0x65) || take(0x45) {
            if !take(0x2b) { _ = take(0x2d) }
            let length = digits()
            guard (1...3).contains(length) else { return false }
        }
        return position - start <= Self.maxNumberLength
    }
}
