import CByteKernels
package import GatewayCore
package import NIOCore

/// Reads response heads, one connection's in order, interim ones (1xx) included.
///
/// Between two calls the caller may append to the buffer and nothing else. After an error the parser is of no use.
/// - Source: RFC 9112 §4 and §6.3, as strict as `HTTP1Error` says · documented
/// - Limit: `HTTP1Limits`
package struct ResponseParser: Sendable {
    private let limits: HTTP1Limits
    private var search = HeadSearch()

    /// A parser at the start of a connection.
    package init(limits: HTTP1Limits = .standard) {
        self.limits = limits
    }

    /// Takes one whole head off the front of `buffer`, or returns nil when more bytes are needed.
    ///
    /// A head that announces a body it must not have (204 or 1xx with a length) is returned with `keepsAlive` false:
    /// whether such bytes follow is anybody's guess.
    /// - Parameter toHeadRequest: whether this answers a HEAD request, so that no body follows whatever the head says.
    package mutating func parse(
        _ buffer: inout ByteBuffer, toHeadRequest: Bool
    ) throws(HTTP1Error) -> ResponseHead? {
        let limits = limits
        var search = search
        let outcome: Result<Parsed?, HTTP1Error> = buffer.withUnsafeReadableBytes { bytes in
            do throws(HTTP1Error) {
                guard let first = bytes.first else { return .success(nil) }
                guard first == 0x48 else { throw .badStartLine }
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
        guard let slice = buffer.readSlice(length: parsed.length) else { throw .unexpectedEnd }
        let section = parsed.section
        let framing: BodyFraming
        var keepsAlive = section.keepsAlive(parsed.version)
        if parsed.status < 200 || parsed.status == 204 {
            framing = .none
            if section.isChunked || (section.contentLength ?? 0) > 0 { keepsAlive = false }
        } else if toHeadRequest || parsed.status == 304 {
            framing = .none
        } else if section.isChunked {
            framing = .chunked
        } else if let length = section.contentLength {
            framing = .length(length)
        } else {
            framing = .untilClose
            keepsAlive = false
        }
        return ResponseHead(
            buffer: slice, fields: section.fields, framing: framing, version: parsed.version, keepsAlive: keepsAlive,
            status: parsed.status, reason: parsed.reason
        )
    }

    private struct Parsed {
        var length: Int
        var status: Int
        var reason: Range<Int>
        var version: HTTPVersion
        var section: FieldSection
    }

    private static func head(_ bytes: UnsafeRawBufferPointer, end: Int, lines: Int) throws(HTTP1Error) -> Parsed {
        guard let base = bytes.baseAddress else { throw .badStartLine }
        let version = try HTTPVersion(base, available: end)
        // After the version: SP, three digits, then SP and a reason phrase that may be empty, or nothing at all.
        let digits = HTTPVersion.spelledBytes + 1
        guard end >= digits + 5, bytes[digits - 1] == 0x20 else { throw .badStartLine }
        var status = 0
        for offset in 0..<3 {
            let digit = bytes[digits + offset] &- 0x30
            guard digit < 10 else { throw .badStatus }
            status = status * 10 + Int(digit)
        }
        guard status >= 100 else { throw .badStatus }
        var lineEnd = digits + 3
        var reason = lineEnd..<lineEnd
        if bytes[lineEnd] == 0x20 {
            let start = lineEnd + 1
            lineEnd = start + aig_text_prefix(base + start, end - start)
            reason = start..<lineEnd
        } else if bytes[lineEnd] != 0x0D {
            throw .badStatus
        }
        guard bytes[lineEnd] == 0x0D, bytes[lineEnd + 1] == 0x0A else { throw .badStartLine }
        let section = try FieldSection(bytes, from: lineEnd + 2, to: end - 2, count: lines - 1, version: version)
        return Parsed(length: end, status: status, reason: reason, version: version, section: section)
    }
}
