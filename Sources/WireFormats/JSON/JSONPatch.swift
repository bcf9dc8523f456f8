package import NIOCore

/// Edits of JSON text by byte range: everything outside the range stays as it was, byte for byte.
///
/// Ranges and offsets count from the first readable byte.
package enum JSONPatch {
    /// `document` with the bytes of `range` replaced; unchanged when the range is not inside it.
    package static func replace(
        _ range: Range<Int>, with value: ByteBuffer, in document: ByteBuffer
    ) -> ByteBuffer {
        guard range.lowerBound >= 0, range.upperBound <= document.readableBytes else { return document }
        var result = ByteBuffer()
        result.reserveCapacity(document.readableBytes - range.count + value.readableBytes)
        document.withUnsafeReadableBytes { bytes in
            _ = result.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[..<range.lowerBound]))
            result.writeImmutableBuffer(value)
            _ = result.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[range.upperBound...]))
        }
        return result
    }

    /// `document` with the bytes of `range` replaced by `text` as a JSON string.
    package static func replace(
        _ range: Range<Int>, withString text: String, in document: ByteBuffer
    ) -> ByteBuffer {
        replace(range, with: ByteBuffer(string: quoted(text)), in: document)
    }

    /// `document` with a member put first into the object that starts at or, after whitespace, behind `objectStart`;
    /// unchanged when no object starts there.
    ///
    /// It does not look for a member of the same name: the caller replaces one that exists.
    /// - Parameter rawValue: JSON text, written as it is.
    package static func insertMember(
        _ name: StaticString, rawValue: String, in document: ByteBuffer, objectStart: Int = 0
    ) -> ByteBuffer {
        let place: (at: Int, isEmpty: Bool)? = document.withUnsafeReadableBytes { bytes in
            guard objectStart >= 0, objectStart <= bytes.count else { return nil }
            var cursor = JSONCursor(bytes, at: objectStart)
            cursor.skipWhitespace()
            guard cursor.take(0x7B) else { return nil }
            let at = cursor.at
            cursor.skipWhitespace()
            return (at, cursor.byte == 0x7D)
        }
        guard let place else { return document }
        let member = quoted(name.description) + ":" + rawValue + (place.isEmpty ? "" : ",")
        return replace(place.at..<place.at, with: ByteBuffer(string: member), in: document)
    }

    /// `document` without the bytes of `range`, which must be a whole member's value in an object, and without the
    /// member's key and one of the commas around it; unchanged when that is not what stands there.
    package static func removeMember(valueRange range: Range<Int>, in document: ByteBuffer) -> ByteBuffer {
        let member: Range<Int>? = document.withUnsafeReadableBytes { bytes in
            guard range.lowerBound > 0, range.upperBound <= bytes.count else { return nil }
            return memberRange(bytes, around: range)
        }
        guard let member else { return document }
        return replace(member, with: ByteBuffer(), in: document)
    }

    /// `text` as a JSON string with its quotes.
    package static func quoted(_ text: String) -> String {
        var buffer = ByteBuffer()
        JSONWriter.appendString(text, to: &buffer)
        return String(buffer: buffer)
    }

    private static func memberRange(_ bytes: UnsafeRawBufferPointer, around value: Range<Int>) -> Range<Int>? {
        var start = value.lowerBound - 1
        func skipBack() {
            while start >= 0, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[start]) { start -= 1 }
        }
        skipBack()
        guard start > 0, bytes[start] == 0x3A else { return nil }
        start -= 1
        skipBack()
        guard start > 0, bytes[start] == 0x22 else { return nil }
        // The key's opening quote is the nearest one before an even number of backslashes.
        start -= 1
        while start >= 0 {
            if bytes[start] == 0x22 {
                var slashes = 0
                while start - slashes - 1 >= 0, bytes[start - slashes - 1] == 0x5C { slashes += 1 }
                if slashes.isMultiple(of: 2) { break }
            }
            start -= 1
        }
        guard start > 0 else { return nil }
        var after = JSONCursor(bytes, at: value.upperBound)
        after.skipWhitespace()
        if after.take(0x2C) {
            after.skipWhitespace()
            return start..<after.at
        }
        let keyStart = start
        start -= 1
        skipBack()
        return start >= 0 && bytes[start] == 0x2C ? start..<value.upperBound : keyStart..<value.upperBound
    }
}
