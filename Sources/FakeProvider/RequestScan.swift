import Glibc

/// What a look at the received bytes found.
///
/// The scanner trusts its peer: it serves measurements, not the internet.
enum RequestScan {
    case incomplete
    case malformed
    /// One whole request of `length` bytes.
    case request(length: Int, facts: RequestFacts)
}

/// What an answer depends on.
struct RequestFacts {
    var dialect = Dialect.openAI
    var wantsStream = false
    var closes = false
    /// From `?pace=MS`, in nanoseconds.
    var pace: UInt64?
}

/// Finds the end of one request at the start of a buffer.
enum RequestScanner {
    private static let carriageReturn = UInt8(ascii: "\r")
    private static let newline = UInt8(ascii: "\n")
    private static let longestHead = 65_536

    static func scan(_ bytes: UnsafeRawBufferPointer) -> RequestScan {
        var facts = RequestFacts()
        var bodyLength = 0
        var chunked = false
        var position = 0
        var isFirstLine = true
        while true {
            guard let end = index(of: newline, in: bytes, from: position) else {
                return bytes.count > longestHead ? .malformed : .incomplete
            }
            guard end > position, bytes[end - 1] == carriageReturn else { return .malformed }
            let line = UnsafeRawBufferPointer(rebasing: bytes[position..<(end - 1)])
            position = end + 1
            if line.isEmpty { break }
            if isFirstLine {
                facts.pace = pace(in: line)
                if contains(line, "/messages") { facts.dialect = .anthropic }
                if contains(line, "enerateContent") { facts.dialect = .gemini }
                facts.wantsStream = contains(line, ":streamGenerateContent")
                isFirstLine = false
            } else if let value = value(of: "content-length:", in: line) {
                guard let length = number(value) else { return .malformed }
                bodyLength = length
            } else if let value = value(of: "transfer-encoding:", in: line) {
                chunked = contains(value, "chunked")
            } else if let value = value(of: "connection:", in: line) {
                facts.closes = contains(value, "close")
            }
        }
        let bodyEnd: Int
        if chunked {
            switch endOfChunks(bytes, from: position) {
            case .some(let end): bodyEnd = end
            case nil: return .incomplete
            }
        } else {
            bodyEnd = position + bodyLength
        }
        guard bodyEnd <= bytes.count else { return .incomplete }
        let body = UnsafeRawBufferPointer(rebasing: bytes[position..<bodyEnd])
        if !facts.wantsStream {
            facts.wantsStream = contains(body, "\"stream\":true") || contains(body, "\"stream\": true")
        }
        return .request(length: bodyEnd, facts: facts)
    }

    private static func index(of byte: UInt8, in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard start < bytes.count, let base = bytes.baseAddress,
            let found = memchr(base + start, Int32(byte), bytes.count - start)
        else { return nil }
        return UnsafeRawPointer(found) - base
    }

    private static func value(of name: StaticString, in line: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let length = name.utf8CodeUnitCount
        guard line.count > length, let base = line.baseAddress, line[0] | 0x20 == name.utf8Start[0],
            strncasecmp(
                base.assumingMemoryBound(to: CChar.self),
                UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self), length) == 0
        else { return nil }
        return UnsafeRawBufferPointer(rebasing: line[length...])
    }

    private static func number(_ text: UnsafeRawBufferPointer) -> Int? {
        var value = 0
        for byte in text where byte != UInt8(ascii: " ") {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte), value < 1 << 40 else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return value
    }

    private static func contains(_ bytes: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        var position = 0
        while let found = index(of: text.utf8Start[0], in: bytes, from: position), found + length <= bytes.count {
            if let base = bytes.baseAddress, memcmp(base + found, text.utf8Start, length) == 0 { return true }
            position = found + 1
        }
        return false
    }

    private static func pace(in requestLine: UnsafeRawBufferPointer) -> UInt64? {
        let mark: StaticString = "pace="
        guard index(of: UInt8(ascii: "?"), in: requestLine, from: 0) != nil, contains(requestLine, mark) else {
            return nil
        }
        let text = String(decoding: requestLine, as: UTF8.self)
        guard let start = text.firstRange(of: "pace=")?.upperBound else { return nil }
        return UInt64(text[start...].prefix { $0.isNumber }).map { min($0, 60_000) * 1_000_000 }
    }

    /// The position behind the last chunk and its trailers, nil while they have not arrived.
    private static func endOfChunks(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var position = start
        while let end = index(of: newline, in: bytes, from: position) {
            let digits = bytes[position..<end].prefix { isxdigit(Int32($0)) != 0 }
            let size = Int(String(decoding: digits, as: UTF8.self), radix: 16) ?? 0
            position = end + 1
            if size == 0 {
                while let lineEnd = index(of: newline, in: bytes, from: position) {
                    let isEmpty = lineEnd - position <= 1
                    position = lineEnd + 1
                    if isEmpty { return position }
                }
                return nil
            }
            position += size + 2
            if position > bytes.count { return nil }
        }
        return nil
    }
}
