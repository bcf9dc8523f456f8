import CByteKernels
package import GatewayCore
import Glibc
package import NIOCore

/// Appends HTTP/1.1 heads and chunks to a buffer.
///
/// A value given as text can never end its line: control characters in it are written as spaces.
package enum HeadWriter {
    /// `METHOD target HTTP/1.1`.
    ///
    /// Neither part may be empty.
    package static func requestLine(_ method: String, _ target: String, into buffer: inout ByteBuffer) {
        appendVisible(method, into: &buffer)
        buffer.writeInteger(UInt8(ascii: " "))
        appendVisible(target, into: &buffer)
        buffer.writeStaticString(" HTTP/1.1\r\n")
    }

    /// `HTTP/1.1 200 OK`, with the registered phrase of `status` or none.
    package static func statusLine(_ status: Int, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("HTTP/1.1 ")
        decimal(min(max(status, 100), 999), into: &buffer)
        buffer.writeInteger(UInt8(ascii: " "))
        buffer.writeStaticString(StatusPhrase.of(status))
        lineEnd(into: &buffer)
    }

    /// `Name: value`.
    package static func field(_ name: StaticString, _ value: String, into buffer: inout ByteBuffer) {
        buffer.writeStaticString(name)
        buffer.writeStaticString(": ")
        appendText(value, into: &buffer)
        lineEnd(into: &buffer)
    }

    /// `Name: value`, for names that are only known at run time.
    ///
    /// A name that is no token is left out with its value.
    package static func field(named name: String, _ value: String, into buffer: inout ByteBuffer) {
        var name = name
        let isToken = name.withUTF8 { !$0.isEmpty && aig_token_prefix($0.baseAddress, $0.count) == $0.count }
        guard isToken else { return }
        buffer.writeString(name)
        buffer.writeStaticString(": ")
        appendText(value, into: &buffer)
        lineEnd(into: &buffer)
    }

    /// `Name: 123`.
    package static func field(_ name: StaticString, number: Int, into buffer: inout ByteBuffer) {
        buffer.writeStaticString(name)
        buffer.writeStaticString(": ")
        decimal(number, into: &buffer)
        lineEnd(into: &buffer)
    }

    /// `Name: value` with the name and value as they stand in `head`.
    package static func copy(_ field: FieldSlice, of head: some MessageHead, into buffer: inout ByteBuffer) {
        head.withBytes { copy(field, of: $0, into: &buffer) }
    }

    /// `Name: value` with the name and value as they stand in `head`.
    package static func copy(_ field: FieldSlice, of head: RequestHead, into buffer: inout ByteBuffer) {
        head.buffer.withUnsafeReadableBytes { copy(field, of: $0, into: &buffer) }
    }

    /// `Name: value` with the name and value as they stand in `head`.
    package static func copy(_ field: FieldSlice, of head: ResponseHead, into buffer: inout ByteBuffer) {
        head.buffer.withUnsafeReadableBytes { copy(field, of: $0, into: &buffer) }
    }

    /// The empty line.
    package static func endOfHead(into buffer: inout ByteBuffer) {
        lineEnd(into: &buffer)
    }

    /// One chunk.
    ///
    /// An empty payload writes nothing, since an empty chunk would end the body.
    package static func chunk(_ payload: ByteBuffer, into buffer: inout ByteBuffer) {
        guard payload.readableBytes > 0 else { return }
        chunkStart(payload.readableBytes, into: &buffer)
        buffer.writeImmutableBuffer(payload)
        chunkEnd(into: &buffer)
    }

    /// The size line of a chunk whose `count` payload bytes the caller writes; `chunkEnd` must follow them.
    package static func chunkStart(_ count: Int, into buffer: inout ByteBuffer) {
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 18) { room in
            let digits = max(1, (Int.bitWidth - count.leadingZeroBitCount + 3) / 4)
            for place in 0..<digits {
                let digit = UInt8(truncatingIfNeeded: count >> ((digits - 1 - place) * 4)) & 0xF
                room[place] = digit < 10 ? digit + 0x30 : digit - 10 + 0x61
            }
            room[digits] = 0x0D
            room[digits + 1] = 0x0A
            return digits + 2
        }
    }

    /// The line end after a chunk's payload.
    package static func chunkEnd(into buffer: inout ByteBuffer) {
        lineEnd(into: &buffer)
    }

    /// The last chunk, without trailer fields.
    package static func lastChunk(into buffer: inout ByteBuffer) {
        buffer.writeStaticString("0\r\n\r\n")
    }

    private static func copy(_ field: FieldSlice, of bytes: UnsafeRawBufferPointer, into buffer: inout ByteBuffer) {
        let name = field.name
        let value = field.value
        let length = name.count + value.count + 4
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { line in
            guard let start = line.baseAddress, let source = bytes.baseAddress else { return 0 }
            precondition(max(name.upperBound, value.upperBound) <= bytes.count, "the field belongs to another head")
            memcpy(start, source + name.lowerBound, name.count)
            start.storeBytes(of: (0x3A20 as UInt16).bigEndian, toByteOffset: name.count, as: UInt16.self)
            memcpy(start + name.count + 2, source + value.lowerBound, value.count)
            start.storeBytes(of: (0x0D0A as UInt16).bigEndian, toByteOffset: length - 2, as: UInt16.self)
            return length
        }
    }

    private static func lineEnd(into buffer: inout ByteBuffer) {
        buffer.writeInteger(0x0D0A as UInt16)
    }

    private static func decimal(_ number: Int, into buffer: inout ByteBuffer) {
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 20) { room in
            var rest = number.magnitude
            var start = 20
            repeat {
                start -= 1
                room[start] = UInt8(truncatingIfNeeded: rest % 10) + 0x30
                rest /= 10
            } while rest > 0
            if number < 0 {
                start -= 1
                room[start] = UInt8(ascii: "-")
            }
            let count = 20 - start
            for place in 0..<count { room[place] = room[start + place] }
            return count
        }
    }

    /// Writes text with every control character but HTAB as a space.
    private static func appendText(_ text: String, into buffer: inout ByteBuffer) {
        var text = text
        text.withUTF8 { utf8 in
            if aig_text_prefix(utf8.baseAddress, utf8.count) == utf8.count {
                buffer.writeBytes(utf8)
            } else {
                for byte in utf8 {
                    buffer.writeInteger(byte == 0x09 || byte >= 0x20 && byte != 0x7F ? byte : 0x20)
                }
            }
        }
    }

    /// Writes text with everything but visible ASCII percent-encoded.
    private static func appendVisible(_ text: String, into buffer: inout ByteBuffer) {
        var text = text
        text.withUTF8 { utf8 in
            if aig_graphic_prefix(utf8.baseAddress, utf8.count) == utf8.count {
                buffer.writeBytes(utf8)
            } else {
                let digits = Array("0123456789ABCDEF".utf8)
                for byte in utf8 {
                    if byte > 0x20, byte < 0x7F {
                        buffer.writeInteger(byte)
                    } else {
                        buffer.writeBytes([UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 0xF)]])
                    }
                }
            }
        }
    }
}
