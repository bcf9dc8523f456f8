import CByteKernels
import GatewayCore

/// The header fields of one head, read in one pass, with what they say about framing and the connection.
struct FieldSection {
    private(set) var fields: [FieldSlice] = []
    private(set) var contentLength: Int?
    private(set) var isChunked = false
    private(set) var hosts = 0
    private(set) var saysClose = false
    private(set) var saysKeepAlive = false
    private(set) var expectsContinue = false

    /// Reads `bytes[start..<emptyLine]`, which must be whole lines; `bytes[emptyLine...]` is the CRLF after them.
    init(
        _ bytes: UnsafeRawBufferPointer, from start: Int, to emptyLine: Int, count: Int, version: HTTPVersion
    ) throws(HTTP1Error) {
        guard let base = bytes.baseAddress else { return }
        fields.reserveCapacity(count)
        var at = start
        while at < emptyLine {
            let nameLength = aig_token_prefix(base + at, emptyLine - at)
            guard nameLength > 0, nameLength <= Int(UInt16.max) else {
                throw bytes[at] == 0x20 || bytes[at] == 0x09 ? .obsoleteFolding : .badFieldName
            }
            guard bytes[at + nameLength] == 0x3A else { throw .badFieldName }
            var valueStart = at + nameLength + 1
            while bytes[valueStart] == 0x20 || bytes[valueStart] == 0x09 { valueStart += 1 }
            var valueEnd = valueStart + aig_text_prefix(base + valueStart, emptyLine - valueStart)
            guard bytes[valueEnd] == 0x0D, bytes[valueEnd + 1] == 0x0A else { throw .badFieldValue }
            let next = valueEnd + 2
            while valueEnd > valueStart, bytes[valueEnd - 1] == 0x20 || bytes[valueEnd - 1] == 0x09 { valueEnd -= 1 }

            let kind = FieldKind(name: base + at, count: nameLength)
            let value = UnsafeRawBufferPointer(start: base + valueStart, count: valueEnd - valueStart)
            switch kind {
            case .contentLength: try takeLength(value)
            case .transferEncoding: try takeTransferEncoding(value, version)
            case .connection: takeConnection(value)
            case .host: try takeHost(value)
            case .expect: if version == .http11, value.isToken("100-continue") { expectsContinue = true }
            default: break
            }
            fields.append(
                FieldSlice(
                    nameStart: UInt32(truncatingIfNeeded: at), nameLength: UInt16(truncatingIfNeeded: nameLength),
                    kind: kind, valueStart: UInt32(truncatingIfNeeded: valueStart),
                    valueLength: UInt32(truncatingIfNeeded: value.count)
                )
            )
            at = next
        }
    }

    /// Whether the connection survives this message, as its fields say (RFC 9112 §9.3).
    func keepsAlive(_ version: HTTPVersion) -> Bool {
        !saysClose && (version == .http11 || saysKeepAlive)
    }

    private mutating func takeLength(_ value: UnsafeRawBufferPointer) throws(HTTP1Error) {
        guard contentLength == nil else { throw .conflictingLength }
        guard !isChunked else { throw .lengthWithTransferEncoding }
        guard (1...19).contains(value.count) else { throw .badLength }
        var length = 0
        for byte in value {
            guard byte &- 0x30 < 10 else { throw .badLength }
            let (tens, overflow) = length.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(Int(byte &- 0x30))
            guard !overflow, !carry else { throw .badLength }
            length = sum
        }
        contentLength = length
    }

    private mutating func takeTransferEncoding(
        _ value: UnsafeRawBufferPointer, _ version: HTTPVersion
    ) throws(HTTP1Error) {
        guard contentLength == nil else { throw .lengthWithTransferEncoding }
        guard version == .http11, !isChunked, value.isToken("chunked") else { throw .unsupportedTransferEncoding }
        isChunked = true
    }

    private mutating func takeConnection(_ value: UnsafeRawBufferPointer) {
        if value.isToken("keep-alive") {
            saysKeepAlive = true
        } else {
            value.forEachListMember { member in
                if member.isToken("close") { saysClose = true }
                if member.isToken("keep-alive") { saysKeepAlive = true }
            }
        }
    }

    private mutating func takeHost(_ value: UnsafeRawBufferPointer) throws(HTTP1Error) {
        guard hosts == 0 else { throw .duplicateHost }
        hosts = 1
        for byte in value {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: break  // digits and letters
            case 0x2D, 0x2E, 0x5F, 0x7E, 0x3A, 0x5B, 0x5D, 0x25: break  // - . _ ~ : [ ] %
            default: throw .badHost
            }
        }
    }
}

extension UnsafeRawBufferPointer {
    /// Whether these bytes are this text (lower case in the source) with case ignored.
    func isToken(_ text: StaticString) -> Bool { text.matches(self, 0..<count) }

    /// Calls `body` for each member of a comma-separated list, without the whitespace around it (RFC 9110 §5.6.1).
    func forEachListMember(_ body: (UnsafeRawBufferPointer) -> Void) {
        var start = 0
        while start <= count {
            var end = start
            while end < count, self[end] != 0x2C { end += 1 }
            var low = start
            var high = end
            while low < high, self[low] == 0x20 || self[low] == 0x09 { low += 1 }
            while high > low, self[high - 1] == 0x20 || self[high - 1] == 0x09 { high -= 1 }
            if low < high { body(UnsafeRawBufferPointer(rebasing: self[low..<high])) }
            start = end + 1
        }
    }
}
