import CByteKernels
import Glibc

/// A strict reader of JSON text (RFC 8259) that steps over values and remembers nothing.
///
/// Every step checks its bounds; on anything that is not JSON it returns false or nil and its position means nothing.
struct JSONCursor {
    /// The deepest nesting of arrays and objects that is read; a deeper document counts as malformed.
    static let depthLimit = 512

    let bytes: UnsafeRawBufferPointer
    var at: Int

    init(_ bytes: UnsafeRawBufferPointer, at: Int = 0) {
        self.bytes = bytes
        self.at = at
    }

    /// The byte at the position, or 0 (which no JSON token starts with) past the end.
    var byte: UInt8 { at < bytes.count ? bytes[at] : 0 }

    mutating func skipWhitespace() {
        while at < bytes.count {
            switch bytes[at] {
            case 0x20, 0x0A, 0x0D, 0x09: at += 1
            default: return
            }
        }
    }

    /// Steps over `expected` if it is there.
    mutating func take(_ expected: UInt8) -> Bool {
        guard at < bytes.count, bytes[at] == expected else { return false }
        at += 1
        return true
    }

    /// Steps over one value; the position must be on its first byte. `depth` counts the containers around it.
    mutating func skipValue(depth: Int) -> Bool {
        switch byte {
        case 0x22: return skipString() != nil
        case 0x7B: return depth < Self.depthLimit && skipObject(depth: depth + 1)
        case 0x5B: return depth < Self.depthLimit && skipArray(depth: depth + 1)
        case 0x2D, 0x30...0x39: return skipNumber()
        case 0x74: return skipLiteral("true")
        case 0x66: return skipLiteral("false")
        case 0x6E: return skipLiteral("null")
        default: return false
        }
    }

    /// Steps over a string with its quotes and says whether it contains escapes; nil when it is malformed.
    mutating func skipString() -> JSONStringForm? {
        guard let base = bytes.baseAddress, take(0x22) else { return nil }
        var form = JSONStringForm.plain
        while at < bytes.count {
            at += aig_json_plain_prefix(base + at, bytes.count - at)
            guard at < bytes.count else { return nil }
            switch bytes[at] {
            case 0x22:
                at += 1
                return form
            case 0x5C:
                form = .escaped
                guard skipEscape() else { return nil }
            case 0x80...:
                let length = aig_utf8_prefix(base + at, bytes.count - at)
                guard length > 0 else { return nil }
                at += length
            default:
                return nil
            }
        }
        return nil
    }

    /// Steps over a number of the grammar of RFC 8259 §6.
    mutating func skipNumber() -> Bool {
        _ = take(0x2D)
        if !take(0x30) {
            guard skipDigits() else { return false }
        }
        if take(0x2E) {
            guard skipDigits() else { return false }
        }
        if byte | 0x20 == 0x65 {
            at += 1
            if byte == 0x2B || byte == 0x2D { at += 1 }
            guard skipDigits() else { return false }
        }
        return true
    }

    private mutating func skipObject(depth: Int) -> Bool {
        at += 1
        skipWhitespace()
        if take(0x7D) { return true }
        while true {
            guard skipString() != nil else { return false }
            skipWhitespace()
            guard take(0x3A) else { return false }
            skipWhitespace()
            guard skipValue(depth: depth) else { return false }
            skipWhitespace()
            if take(0x7D) { return true }
            guard take(0x2C) else { return false }
            skipWhitespace()
        }
    }

    private mutating func skipArray(depth: Int) -> Bool {
        at += 1
        skipWhitespace()
        if take(0x5D) { return true }
        while true {
            guard skipValue(depth: depth) else { return false }
            skipWhitespace()
            if take(0x5D) { return true }
            guard take(0x2C) else { return false }
            skipWhitespace()
        }
    }

    private mutating func skipEscape() -> Bool {
        at += 1
        switch byte {
        case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74:
            at += 1
            return true
        case 0x75:
            guard JSONText.hexUnit(bytes, at: at + 1) != nil else { return false }
            at += 5
            return true
        default:
            return false
        }
    }

    private mutating func skipDigits() -> Bool {
        let start = at
        while at < bytes.count, bytes[at] &- 0x30 < 10 { at += 1 }
        return at > start
    }

    private mutating func skipLiteral(_ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        guard bytes.count - at >= length, let base = bytes.baseAddress else { return false }
        guard memcmp(base + at, text.utf8Start, length) == 0 else { return false }
        at += length
        return true
    }
}

/// Whether a string's text is its bytes, or has escapes to undo first.
enum JSONStringForm {
    case plain, escaped
}
