public import NIOCore

/// One header field of a head, as offsets into the head's own bytes.
@usableFromInline
package struct FieldSlice: Sendable, Equatable {
    package var nameStart: UInt32
    package var nameLength: UInt16
    package var kind: FieldKind
    package var valueStart: UInt32
    package var valueLength: UInt32

    package init(nameStart: UInt32, nameLength: UInt16, kind: FieldKind, valueStart: UInt32, valueLength: UInt32) {
        self.nameStart = nameStart
        self.nameLength = nameLength
        self.kind = kind
        self.valueStart = valueStart
        self.valueLength = valueLength
    }

    @usableFromInline
    package var name: Range<Int> { Int(nameStart)..<Int(nameStart) + Int(nameLength) }
    @usableFromInline
    package var value: Range<Int> { Int(valueStart)..<Int(valueStart) + Int(valueLength) }
}

/// The header fields that HTTP itself or every provider call gives a meaning to; the parser classifies once.
@usableFromInline
package enum FieldKind: UInt8, Sendable {
    case other
    // Framing and hop-by-hop (RFC 9110 §7.6.1)
    case contentLength, transferEncoding, connection, keepAlive, te, trailer, upgrade, proxyPrefixed, expect, host
    // Contents
    case contentType, contentEncoding, acceptEncoding, userAgent, setCookie, date, server
    // Credentials
    case authorization

    /// Compares the raw bytes: the comparison that comes with a raw type goes through two witnesses.
    @usableFromInline
    package static func == (left: FieldKind, right: FieldKind) -> Bool { left.rawValue == right.rawValue }
}

/// How the end of a message body is found (RFC 9112 §6).
@usableFromInline
package enum BodyFraming: Sendable, Equatable {
    case none
    case length(Int)
    case chunked
    /// Responses only: the connection's end is the body's end.
    case untilClose
}

/// The HTTP versions that one connection here can speak.
@usableFromInline
package enum HTTPVersion: Sendable, Equatable { case http10, http11 }

/// A parsed head: its bytes, from the start line through the empty line, and where things are in them.
///
/// All offsets count from the start of `buffer`'s readable bytes.
package protocol MessageHead: Sendable {
    var buffer: ByteBuffer { get }
    var fields: [FieldSlice] { get }
    var framing: BodyFraming { get }
    var version: HTTPVersion { get }
    /// Whether the connection can carry another message after this one.
    var keepsAlive: Bool { get }
}

extension MessageHead {
    package func withBytes<T>(_ body: (UnsafeRawBufferPointer) throws -> T) rethrows -> T {
        try buffer.withUnsafeReadableBytes(body)
    }

    package func text(_ range: Range<Int>) -> String {
        withBytes { String(decoding: UnsafeRawBufferPointer(rebasing: $0[range]), as: UTF8.self) }
    }

    /// The value of the first field of a classified kind.
    package func value(_ kind: FieldKind) -> String? {
        fields.first { $0.kind == kind }.map { text($0.value) }
    }

    /// The value of the first field called `name` (given in lower case).
    package func value(named name: StaticString) -> String? {
        withBytes { bytes in
            fields.first { name.matches(bytes, $0.name) }.map { field in
                String(decoding: UnsafeRawBufferPointer(rebasing: bytes[field.value]), as: UTF8.self)
            }
        }
    }
}

extension StaticString {
    /// Whether `bytes[range]` equals this lower-case ASCII text, letters compared without case.
    @usableFromInline
    package func matches(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        let length = utf8CodeUnitCount
        guard range.count == length, range.lowerBound >= 0, range.upperBound <= bytes.count else { return false }
        guard let base = bytes.baseAddress, length > 0 else { return length == 0 }
        let other = base + range.lowerBound
        let own = UnsafeRawPointer(utf8Start)
        var at = 0
        // Eight at a time; the last eight overlap what was compared before.
        while at + 8 <= length {
            guard Self.isSame(own, other, at) else { return false }
            at += 8
        }
        if at == length { return true }
        if length >= 8 { return Self.isSame(own, other, length - 8) }
        while at < length {
            let byte = other.load(fromByteOffset: at, as: UInt8.self)
            let lower = byte &- 0x41 < 26 ? byte | 0x20 : byte
            if lower != own.load(fromByteOffset: at, as: UInt8.self) { return false }
            at += 1
        }
        return true
    }

    /// Whether eight bytes agree, but for bit 5 where our own byte is a letter.
    @inline(__always)
    private static func isSame(_ own: UnsafeRawPointer, _ other: UnsafeRawPointer, _ at: Int) -> Bool {
        let ours = own.loadUnaligned(fromByteOffset: at, as: UInt64.self)
        let theirs = other.loadUnaligned(fromByteOffset: at, as: UInt64.self)
        // Of the bytes that field names consist of, letters are those with bit 6.
        let letters = (ours & 0x4040_4040_4040_4040) >> 1
        return (ours ^ theirs) & ~letters == 0
    }
}

extension RequestHead {
    @inlinable
    package func withBytes<T>(_ body: (UnsafeRawBufferPointer) throws -> T) rethrows -> T {
        try buffer.withUnsafeReadableBytes(body)
    }
}

extension ResponseHead {
    @inlinable
    package func withBytes<T>(_ body: (UnsafeRawBufferPointer) throws -> T) rethrows -> T {
        try buffer.withUnsafeReadableBytes(body)
    }
}

/// A client's request head.
///
/// A reference: heads are handed from phase to phase and never change.
@usableFromInline
package final class RequestHead: MessageHead {
    @usableFromInline
    package let buffer: ByteBuffer
    package let fields: [FieldSlice]
    package let framing: BodyFraming
    package let version: HTTPVersion
    package let keepsAlive: Bool
    package let method: Range<Int>
    /// Origin form: path and query as sent, not decoded.
    package let target: Range<Int>
    /// Whether the client waits for `100 Continue` before it sends the body.
    package let expectsContinue: Bool

    package init(
        buffer: ByteBuffer, fields: [FieldSlice], framing: BodyFraming, version: HTTPVersion, keepsAlive: Bool,
        method: Range<Int>, target: Range<Int>, expectsContinue: Bool
    ) {
        self.buffer = buffer
        self.fields = fields
        self.framing = framing
        self.version = version
        self.keepsAlive = keepsAlive
        self.method = method
        self.target = target
        self.expectsContinue = expectsContinue
    }
}

/// A provider's response head.
///
/// A reference: heads are handed from phase to phase and never change.
@usableFromInline
package final class ResponseHead: MessageHead {
    @usableFromInline
    package let buffer: ByteBuffer
    package let fields: [FieldSlice]
    package let framing: BodyFraming
    package let version: HTTPVersion
    package let keepsAlive: Bool
    package let status: Int
    package let reason: Range<Int>

    package init(
        buffer: ByteBuffer, fields: [FieldSlice], framing: BodyFraming, version: HTTPVersion, keepsAlive: Bool,
        status: Int, reason: Range<Int>
    ) {
        self.buffer = buffer
        self.fields = fields
        self.framing = framing
        self.version = version
        self.keepsAlive = keepsAlive
        self.status = status
        self.reason = reason
    }
}
