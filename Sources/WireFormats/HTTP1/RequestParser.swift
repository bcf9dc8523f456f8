import CByteKernels
package import GatewayCore
import Glibc
package import NIOCore

/// Reads request heads, one connection's in order.
///
/// Between two calls the caller may append to the buffer and nothing else. After an error the parser is of no use.
/// - Source: RFC 9112 §2 to §6, as strict as `HTTP1Error` says · documented
/// - Limit: `HTTP1Limits`; at most four empty lines before a request are skipped (RFC 9112 §2.2 asks for one).
package struct RequestParser: Sendable {
    private static let emptyLinesSkipped = 4
    /// No registered method is half as long; an endless one would be copied into logs.
    private static let methodBytes = 32

    private let limits: HTTP1Limits
    private var search = HeadSearch()
    private var skipped = 0
    /// Nil before the first head, and after one that is not worth keeping.
    private var known: KnownHead?

    /// A parser at the start of a connection.
    package init(limits: HTTP1Limits = .standard) {
        self.limits = limits
    }

    /// Takes one whole head off the front of `buffer`, or returns nil when more bytes are needed.
    ///
    /// The head's buffer may share the storage of `buffer`, and heads that are equal may be one object.
    package mutating func parse(_ buffer: inout ByteBuffer) throws(HTTP1Error) -> RequestHead? {
        if search.isFresh, let head = known?.take(from: &buffer) {
            skipped = 0
            return head
        }
        guard try skipEmptyLines(&buffer) else { return nil }
        let limits = limits
        var search = search
        let outcome: Result<Parsed?, HTTP1Error> = buffer.withUnsafeReadableBytes { bytes in
            do throws(HTTP1Error) {
                // What cannot start a method is refused at once: a TLS hello may never contain a line feed.
                guard aig_token_prefix(bytes.baseAddress, 1) == 1 else { throw .badMethod }
                guard let end = try search.end(in: bytes, limits: limits) else { return .success(nil) }
                return .success(try Self.head(bytes, end: end, lines: search.lines))
            } catch {
                return .failure(error)
            }
        }
        guard let parsed = try outcome.get() else {
            self.search = search
            return nil
        }
        self.search = HeadSearch()
        skipped = 0
        guard let slice = buffer.readSlice(length: parsed.length) else { throw .unexpectedEnd }
        let isKept = parsed.length <= KnownHead.limit
        let own = isKept ? slice.withUnsafeReadableBytes { ByteBuffer(bytes: $0) } : slice
        let head = RequestHead(
            buffer: own, fields: parsed.section.fields, framing: parsed.framing, version: parsed.version,
            keepsAlive: parsed.section.keepsAlive(parsed.version), method: 0..<parsed.methodEnd,
            target: parsed.methodEnd + 1..<parsed.targetEnd, expectsContinue: parsed.section.expectsContinue
        )
        known = isKept ? KnownHead(head) : nil
        return head
    }

    private struct Parsed {
        var length: Int
        var methodEnd: Int
        var targetEnd: Int
        var version: HTTPVersion
        var section: FieldSection
        var framing: BodyFraming
    }

    /// Whether a byte follows that is not part of an empty line.
    private mutating func skipEmptyLines(_ buffer: inout ByteBuffer) throws(HTTP1Error) -> Bool {
        while let first = buffer.getInteger(at: buffer.readerIndex, as: UInt8.self) {
            if first == 0x0A { throw .bareLineFeed }
            guard first == 0x0D else { return true }
            guard let second = buffer.getInteger(at: buffer.readerIndex + 1, as: UInt8.self) else { return false }
            guard second == 0x0A, skipped < Self.emptyLinesSkipped else { throw .badStartLine }
            buffer.moveReaderIndex(forwardBy: 2)
            skipped += 1
        }
        return false
    }

    private static func head(_ bytes: UnsafeRawBufferPointer, end: Int, lines: Int) throws(HTTP1Error) -> Parsed {
        guard let base = bytes.baseAddress else { throw .badStartLine }
        let methodEnd = aig_token_prefix(base, min(end, Self.methodBytes + 1))
        guard methodEnd > 0, methodEnd <= Self.methodBytes, bytes[methodEnd] == 0x20 else { throw .badMethod }

        let targetStart = methodEnd + 1
        let targetEnd = targetStart + aig_graphic_prefix(base + targetStart, end - targetStart)
        guard targetEnd > targetStart, bytes[targetEnd] == 0x20 else {
            // "GET /" alone is HTTP/0.9; a target with a space or control byte in it has no one meaning.
            throw targetEnd == targetStart || bytes[targetEnd] != 0x0D ? .badTarget : .badVersion
        }
        if bytes[targetStart] == 0x2A {
            let isOptions = UnsafeRawBufferPointer(start: base, count: methodEnd).elementsEqual("OPTIONS".utf8)
            guard targetEnd == targetStart + 1, isOptions else { throw .badTarget }
        } else {
            guard bytes[targetStart] == 0x2F else { throw .badTarget }
            // A fragment is never sent; a reader that cuts it off would see another path.
            guard memchr(base + targetStart, 0x23, targetEnd - targetStart) == nil else { throw .badTarget }
        }

        let version = try HTTPVersion(base + targetEnd + 1, available: end - targetEnd - 1)
        let lineEnd = targetEnd + 1 + HTTPVersion.spelledBytes
        guard bytes[lineEnd] == 0x0D, bytes[lineEnd + 1] == 0x0A else { throw .badVersion }

        let section = try FieldSection(bytes, from: lineEnd + 2, to: end - 2, count: lines - 1, version: version)
        guard section.hosts == 1 || version == .http10 else { throw .missingHost }
        let framing: BodyFraming
        if section.isChunked {
            framing = .chunked
        } else if let length = section.contentLength {
            framing = .length(length)
        } else {
            framing = .none
        }
        return Parsed(
            length: end, methodEnd: methodEnd, targetEnd: targetEnd, version: version, section: section,
            framing: framing
        )
    }
}
