import CByteKernels
import Glibc

/// One JSON value where it stands: a view over bytes that somebody else keeps.
///
/// Valid only while the bytes are; it must not outlive the closure that lent them. Nothing is decoded until asked
/// for, and what is not well-formed reads as absent. Where a member occurs twice the first one counts; a caller for
/// whom that matters asks `JSONTopLevel.hasDuplicate`.
package struct JSONView {
    /// What a value is; `invalid` for anything that no JSON value starts with, the empty text included.
    package enum Kind: Sendable { case object, array, string, number, bool, null, invalid }

    /// The value's raw text without the whitespace around it.
    package let bytes: UnsafeRawBufferPointer

    /// A view of the one value in `bytes`, with or without whitespace around it.
    package init(_ bytes: UnsafeRawBufferPointer) {
        var low = 0
        var high = bytes.count
        while low < high, Self.isSpace(bytes[low]) { low += 1 }
        while high > low, Self.isSpace(bytes[high - 1]) { high -= 1 }
        self.bytes = UnsafeRawBufferPointer(rebasing: bytes[low..<high])
    }

    /// What the value is, judged by its first byte alone.
    package var kind: Kind {
        guard let first = bytes.first else { return .invalid }
        return switch first {
        case 0x7B: .object
        case 0x5B: .array
        case 0x22: .string
        case 0x2D, 0x30...0x39: .number
        case 0x74, 0x66: .bool
        case 0x6E: .null
        default: .invalid
        }
    }

    /// Whether the value is the literal `null`.
    package var isNull: Bool { isExactly("null") }

    /// The value of the literals `true` and `false`; nil for anything else.
    package var bool: Bool? {
        if isExactly("true") { return true }
        return isExactly("false") ? false : nil
    }

    /// The number as an integer: `5`, and also `5.0` or `5e0`; nil when it is not integral or does not fit.
    package var int: Int? {
        if let short = shortInt { return short }
        guard isNumber else { return nil }
        var magnitude: UInt = 0
        var rest = bytes[...]
        let isNegative = rest.first == 0x2D
        if isNegative { rest.removeFirst() }
        for byte in rest {
            guard byte &- 0x30 < 10 else { return double.flatMap { Int(exactly: $0) } }
            let (tens, overflow) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(UInt(byte &- 0x30))
            if overflow || carry { return nil }
            magnitude = sum
        }
        if isNegative { return magnitude <= Int.min.magnitude ? Int(truncatingIfNeeded: 0 &- magnitude) : nil }
        return Int(exactly: magnitude)
    }

    /// The value of up to eighteen digits and nothing else; nil for any other spelling.
    private var shortInt: Int? {
        guard let first = bytes.first, bytes.count <= 18, first != 0x30 || bytes.count == 1 else { return nil }
        var value = 0
        for byte in bytes {
            guard byte &- 0x30 < 10 else { return nil }
            value = value &* 10 &+ Int(byte &- 0x30)
        }
        return value
    }

    /// The number as a floating-point value; nil when it is too large to be finite.
    package var double: Double? {
        guard isNumber, let value = Double(String(decoding: bytes, as: UTF8.self)), value.isFinite else { return nil }
        return value
    }

    /// The string's text with its escapes undone; a lone surrogate becomes U+FFFD.
    package var string: String? {
        var cursor = JSONCursor(bytes)
        guard let form = cursor.skipString(), cursor.at == bytes.count else { return nil }
        let inside = UnsafeRawBufferPointer(rebasing: bytes[1..<bytes.count - 1])
        switch form {
        case .plain: return String(decoding: inside, as: UTF8.self)
        case .escaped: return JSONText.unescaped(inside)
        }
    }

    /// The value of the first member called `name`; nil when there is none or this is not an object.
    package func member(_ name: StaticString) -> JSONView? {
        var found: JSONView?
        walkMembers { key, form, value in
            guard key.isKey(name, form) else { return .next }
            found = value
            return .stop
        }
        return found
    }

    /// Calls `body` for each member in order, up to the first malformed one.
    package func forEachMember(_ body: (String, JSONView) -> Void) {
        walkMembers { key, form, value in
            body(form == .plain ? String(decoding: key, as: UTF8.self) : JSONText.unescaped(key), value)
            return .next
        }
    }

    /// Calls `body` for each member in order, up to the first malformed one, with the key's unescaped UTF-8.
    package func forEachRawMember(_ body: (_ key: UnsafeRawBufferPointer, _ value: JSONView) -> Void) {
        walkMembers { key, form, value in
            switch form {
            case .plain: body(key, value)
            case .escaped:
                var text = JSONText.unescaped(key)
                text.withUTF8 { body(UnsafeRawBufferPointer($0), value) }
            }
            return .next
        }
    }

    /// Calls `body` for each member in order, up to the first malformed one, with the key's unescaped UTF-8 and the
    /// member's own text from the key's first quotation mark to the end of the value.
    package func forEachWholeMember(
        _ body: (_ key: UnsafeRawBufferPointer, _ value: JSONView, _ member: UnsafeRawBufferPointer) -> Void
    ) {
        walkMembers { key, form, value in
            guard let inside = key.baseAddress, let start = value.bytes.baseAddress else { return .next }
            let member = UnsafeRawBufferPointer(start: inside - 1, count: start + value.bytes.count - (inside - 1))
            switch form {
            case .plain: body(key, value, member)
            case .escaped:
                var text = JSONText.unescaped(key)
                text.withUTF8 { body(UnsafeRawBufferPointer($0), value, member) }
            }
            return .next
        }
    }

    /// Calls `body` for each element in order, up to the first malformed one.
    package func forEachElement(_ body: (JSONView) -> Void) {
        walkElements { element in
            body(element)
            return .next
        }
    }

    /// The first element; nil when there is none or this is not an array.
    package var firstElement: JSONView? {
        var first: JSONView?
        walkElements { element in
            first = element
            return .stop
        }
        return first
    }

    /// The last element up to the first malformed one; nil when there is none or this is not an array.
    package var lastElement: JSONView? {
        var last: JSONView?
        walkElements { element in
            last = element
            return .next
        }
        return last
    }

    private enum Step { case next, stop }

    private var isNumber: Bool {
        var cursor = JSONCursor(bytes)
        return kind == .number && cursor.skipNumber() && cursor.at == bytes.count
    }

    private init(exact bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    @inline(__always)
    private func walkMembers(_ body: (UnsafeRawBufferPointer, JSONStringForm, JSONView) -> Step) {
        var cursor = JSONCursor(bytes)
        guard cursor.take(0x7B) else { return }
        repeat {
            cursor.skipWhitespace()
            guard let member = cursor.takeMember(depth: 1) else { return }
            let key = UnsafeRawBufferPointer(rebasing: bytes[member.key..<member.key_end])
            let form = JSONStringForm(escapes: member.escapes)
            let value = JSONView(exact: UnsafeRawBufferPointer(rebasing: bytes[member.value..<member.value_end]))
            if body(key, form, value) == .stop { return }
        } while cursor.take(0x2C)
    }

    private func walkElements(_ body: (JSONView) -> Step) {
        var cursor = JSONCursor(bytes)
        guard cursor.take(0x5B) else { return }
        repeat {
            guard let value = takeValue(&cursor) else { return }
            if body(value) == .stop { return }
        } while cursor.take(0x2C)
    }

    /// The value at the cursor, which is left on the next byte that is not whitespace.
    private func takeValue(_ cursor: inout JSONCursor) -> JSONView? {
        cursor.skipWhitespace()
        let start = cursor.at
        guard cursor.skipValue(depth: 1) else { return nil }
        let value = JSONView(exact: UnsafeRawBufferPointer(rebasing: bytes[start..<cursor.at]))
        cursor.skipWhitespace()
        return value
    }

    private func isExactly(_ text: StaticString) -> Bool {
        bytes.elementsEqual(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }
}

extension UnsafeRawBufferPointer {
    /// Whether the inside of a key string spells `name`.
    func isKey(_ name: StaticString, _ form: JSONStringForm) -> Bool {
        switch form {
        case .plain:
            guard count == name.utf8CodeUnitCount, let baseAddress else { return count == name.utf8CodeUnitCount }
            return memcmp(baseAddress, name.utf8Start, count) == 0
        case .escaped:
            // An escape is longer than what it stands for.
            guard count > name.utf8CodeUnitCount else { return false }
            return JSONText.unescaped(self).utf8.elementsEqual(
                UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
            )
        }
    }
}
