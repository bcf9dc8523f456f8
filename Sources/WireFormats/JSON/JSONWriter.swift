import CByteKernels
package import NIOCore

/// Writes JSON text, putting the commas where they belong.
///
/// The caller keeps the structure right: a key before each value of an object, every container closed.
package struct JSONWriter: Sendable {
    /// What has been written, at the end of what the buffer already held.
    package private(set) var buffer: ByteBuffer
    private var needsComma = false

    /// - Parameter buffer: what the text is appended to.
    package init(_ buffer: ByteBuffer = ByteBuffer()) {
        self.buffer = buffer
    }

    /// Opens an object as the next value.
    package mutating func beginObject() { open(UInt8(ascii: "{")) }
    /// Closes the innermost object.
    package mutating func endObject() { close(UInt8(ascii: "}")) }
    /// Opens an array as the next value.
    package mutating func beginArray() { open(UInt8(ascii: "[")) }
    /// Closes the innermost array.
    package mutating func endArray() { close(UInt8(ascii: "]")) }

    /// A member's key, escaped as needed.
    package mutating func key(_ name: StaticString) {
        startValue()
        name.withUTF8Buffer { Self.append($0, to: &buffer) }
        buffer.writeInteger(UInt8(ascii: ":"))
        needsComma = false
    }

    /// A member's key that is only known at run time.
    package mutating func key(named name: String) {
        startValue()
        Self.appendString(name, to: &buffer)
        buffer.writeInteger(UInt8(ascii: ":"))
        needsComma = false
    }

    /// A string, escaped as needed.
    package mutating func string(_ text: String) {
        startValue()
        Self.appendString(text, to: &buffer)
    }

    /// An integer in full.
    package mutating func int(_ value: Int) {
        startValue()
        buffer.writeString(String(value))
    }

    /// A number; null when it is not finite, for which JSON has no spelling.
    package mutating func double(_ value: Double) {
        guard value.isFinite else { return null() }
        startValue()
        buffer.writeString(value.description)
    }

    /// `true` or `false`.
    package mutating func bool(_ value: Bool) {
        startValue()
        buffer.writeStaticString(value ? "true" : "false")
    }

    /// `null`.
    package mutating func null() {
        startValue()
        buffer.writeStaticString("null")
    }

    /// One value that is JSON text already.
    package mutating func raw(_ text: String) {
        startValue()
        buffer.writeString(text)
    }

    /// One value that is JSON text already.
    package mutating func raw(_ text: ByteBuffer) {
        startValue()
        buffer.writeImmutableBuffer(text)
    }

    /// Appends `text` as a JSON string with its quotes.
    package static func appendString(_ text: String, to buffer: inout ByteBuffer) {
        var text = text
        text.withUTF8 { append($0, to: &buffer) }
    }

    private mutating func startValue() {
        if needsComma { buffer.writeInteger(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        startValue()
        buffer.writeInteger(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        buffer.writeInteger(bracket)
        needsComma = true
    }

    private static func append(_ utf8: UnsafeBufferPointer<UInt8>, to buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt8(ascii: "\""))
        var at = 0
        while at < utf8.count, let base = utf8.baseAddress {
            let start = at
            at += aig_json_plain_prefix(base + at, utf8.count - at)
            while at < utf8.count, utf8[at] >= 0x80 { at += 1 }
            if at > start {
                buffer.writeBytes(UnsafeBufferPointer(rebasing: utf8[start..<at]))
                continue
            }
            escape(utf8[at], to: &buffer)
            at += 1
        }
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    private static func escape(_ byte: UInt8, to buffer: inout ByteBuffer) {
        switch byte {
        case 0x22: buffer.writeStaticString("\\\"")
        case 0x5C: buffer.writeStaticString("\\\\")
        case 0x08: buffer.writeStaticString("\\b")
        case 0x0C: buffer.writeStaticString("\\f")
        case 0x0A: buffer.writeStaticString("\\n")
        case 0x0D: buffer.writeStaticString("\\r")
        case 0x09: buffer.writeStaticString("\\t")
        default:
            buffer.writeStaticString("\\u00")
            for digit in [byte >> 4, byte & 0xF] { buffer.writeInteger(digit < 10 ? digit + 0x30 : digit + 0x57) }
        }
    }
}
