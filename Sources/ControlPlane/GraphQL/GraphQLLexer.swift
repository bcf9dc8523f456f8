/// Cuts a GraphQL text into tokens, one at a time.
struct GraphQLLexer {
    enum Token: Equatable {
        case name(String)
        case number(String)
        case string(String)
        /// One of `! $ & ( ) : = @ [ ] { | }`.
        case sign(UInt8)
        case ellipsis
        case end
    }

    private static let mark: [UInt8] = [0x22, 0x22, 0x22]
    private static let escapedMark: [UInt8] = [0x5c, 0x22, 0x22, 0x22]

    private let bytes: [UInt8]
    private(set) var offset = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    private var current: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    /// A problem at the present place.
    func problem(_ message: String) -> GraphQLProblem { GraphQLProblem("Syntax error at byte \(offset): \(message)") }

    mutating func next() throws(GraphQLProblem) -> Token {
        skipIgnored()
        guard let byte = current else { return .end }
        switch byte {
        case UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "("), UInt8(ascii: ")"),
            UInt8(ascii: ":"), UInt8(ascii: "="), UInt8(ascii: "@"), UInt8(ascii: "["), UInt8(ascii: "]"),
            UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"):
            offset += 1
            return .sign(byte)
        case UInt8(ascii: "."):
            guard bytes[offset...].starts(with: "...".utf8) else { throw problem("unexpected '.'") }
            offset += 3
            return .ellipsis
        case UInt8(ascii: "\""):
            return bytes[offset...].starts(with: Self.mark) ? .string(try block()) : .string(try quoted())
        case UInt8(ascii: "-"), 0x30...0x39: return .number(try number())
        default:
            guard Self.isNameStart(byte) else { throw problem("unexpected character") }
            let start = offset
            while let byte = current, Self.isNameStart(byte) || (0x30...0x39).contains(byte) { offset += 1 }
            return .name(String(decoding: bytes[start..<offset], as: UTF8.self))
        }
    }

    private static func isNameStart(_ byte: UInt8) -> Bool {
        (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || byte == UInt8(ascii: "_")
    }

    /// White space, commas, comments and the byte order mark mean nothing.
    private mutating func skipIgnored() {
        while let byte = current {
            switch byte {
            case 0x20, 0x09, 0x0a, 0x0d, UInt8(ascii: ","): offset += 1
            case 0xef where bytes[offset...].starts(with: [0xef, 0xbb, 0xbf]): offset += 3
            case UInt8(ascii: "#"): while let byte = current, byte != 0x0a, byte != 0x0d { offset += 1 }
            default: return
            }
        }
    }

    private mutating func digits() throws(GraphQLProblem) {
        let start = offset
        while let byte = current, (0x30...0x39).contains(byte) { offset += 1 }
        if offset == start { throw problem("expected a digit") }
    }

    private mutating func number() throws(GraphQLProblem) -> String {
        let start = offset
        if current == UInt8(ascii: "-") { offset += 1 }
        let first = offset
        try digits()
        if bytes[first] == 0x30, offset > first + 1 { throw problem("a number begins with 0") }
        if current == UInt8(ascii: ".") {
            offset += 1
            try digits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            offset += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { offset += 1 }
            try digits()
        }
        if let byte = current, Self.isNameStart(byte) || byte == UInt8(ascii: ".") {
            throw problem("a number is followed by a name")
        }
        guard offset - start <= 64 else { throw problem("a number is too long") }
        return String(decoding: bytes[start..<offset], as: UTF8.self)
    }

    /// A string in one pair of quotation marks, whose escapes are those of JSON.
    private mutating func quoted() throws(GraphQLProblem) -> String {
        let start = offset
        offset += 1
        while let byte = current, byte != UInt8(ascii: "\"") {
            if byte < 0x20 { throw problem("a string is not ended") }
            offset += byte == UInt8(ascii: "\\") ? 2 : 1
        }
        guard current != nil else { throw problem("a string is not ended") }
        offset += 1
        guard let value = try? JSONValue(parsing: Array(bytes[start..<offset])), let text = value.text else {
            throw problem("a string has an unknown escape")
        }
        return text
    }

    /// A block string, taken as it stands but for its escaped end.
    private mutating func block() throws(GraphQLProblem) -> String {
        offset += 3
        var out: [UInt8] = []
        while let byte = current {
            if bytes[offset...].starts(with: Self.mark) {
                offset += 3
                return String(decoding: out, as: UTF8.self)
            }
            if bytes[offset...].starts(with: Self.escapedMark) {
                out.append(contentsOf: Self.mark)
                offset += 4
            } else {
                out.append(byte)
                offset += 1
            }
        }
        throw problem("a block string is not ended")
    }
}
