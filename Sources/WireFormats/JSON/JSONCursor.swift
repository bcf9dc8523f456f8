import CByteKernels

/// A strict reader of JSON text (RFC 8259) that steps over values and remembers nothing.
///
/// Every step checks its bounds; on anything that is not JSON it returns false or nil and its position means nothing.
struct JSONCursor {
    /// The deepest nesting of arrays and objects that is read; a deeper document counts as malformed.
    static let depthLimit = Int(AIG_JSON_LEVELS)

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

    /// Steps over one value; the position must be on its first byte.
    ///
    /// `depth` counts the containers around it.
    mutating func skipValue(depth: Int) -> Bool {
        guard let base = bytes.baseAddress else { return false }
        return move(to: aig_json_value_end(base, bytes.count, at, max(0, Self.depthLimit - depth)))
    }

    /// Steps over a string with its quotes and says whether it contains escapes; nil when it is malformed.
    mutating func skipString() -> JSONStringForm? {
        guard let base = bytes.baseAddress else { return nil }
        var escapes: Int32 = 0
        guard move(to: aig_json_string_end(base, bytes.count, at, &escapes)) else { return nil }
        return JSONStringForm(escapes: escapes)
    }

    /// Steps over a number of the grammar of RFC 8259 §6.
    mutating func skipNumber() -> Bool {
        guard let base = bytes.baseAddress else { return false }
        return move(to: aig_json_number_end(base, bytes.count, at))
    }

    /// Steps over a member and the whitespace behind it; the position must be on its key.
    ///
    /// nil when it is malformed.
    @inline(__always)
    mutating func takeMember(depth: Int) -> aig_json_member? {
        guard let base = bytes.baseAddress else { return nil }
        var member = aig_json_member()
        guard move(to: aig_json_member(base, bytes.count, at, max(0, Self.depthLimit - depth), &member)) else {
            return nil
        }
        return member
    }

    @inline(__always)
    private mutating func move(to end: Int) -> Bool {
        guard end >= 0 else { return false }
        at = end
        return true
    }
}

/// Whether a string's text is its bytes, or has escapes to undo first.
enum JSONStringForm {
    case plain, escaped

    init(escapes: Int32) { self = escapes == 0 ? .plain : .escaped }
}
