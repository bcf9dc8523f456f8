extension JSONValue {
    /// Why bytes are not a JSON document.
    package struct Malformed: Error, Sendable, Equatable {
        /// Position of the first byte that does not fit.
        package var offset: Int
    }

    /// Deeper documents are refused, so that no client decides how deep the stack grows.
    package static let maximumDepth = 128

    /// Reads one document (RFC 8259); anything but white space after it is an error.
    package init(parsing bytes: [UInt8]) throws(Malformed) {
        var reader = Reader(bytes: bytes)
        self = try reader.value(depth: 0)
        reader.skipSpace()
        guard reader.isAtEnd else { throw reader.problem }
    }

    package init(parsing text: String) throws(Malformed) { try self.init(parsing: Array(text.utf8)) }

    private struct Reader {
        let bytes: [UInt8]
        var index = 0

        var isAtEnd: Bool { index == bytes.count }
        var problem: Malformed { Malformed(offset: index) }
        var current: UInt8? { index < bytes.count ? bytes[index] : nil }

        mutating func skipSpace() {
            while let byte = current, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { index += 1 }
        }

        mutating func expect(_ byte: UInt8) throws(Malformed) {
            guard current == byte else { throw problem }
            index += 1
        }

        mutating func word(_ word: StaticString, _ value: JSONValue) throws(Malformed) -> JSONValue {
            for byte in word.description.utf8 { try expect(byte) }
            return value
        }

        mutating func value(depth: Int) throws(Malformed) -> JSONValue {
            guard depth < maximumDepth else { throw problem }
            skipSpace()
            switch current {
            case UInt8(ascii: "{"): return try object(depth: depth)
            case UInt8(ascii: "["): return try array(depth: depth)
            case UInt8(ascii: "\""): return .string(try string())
            case UInt8(ascii: "t"): return try word("true", .bool(true))
            case UInt8(ascii: "f"): return try word("false", .bool(false))
            case UInt8(ascii: "n"): return try word("null", .null)
            default: return try number()
            }
        }

        mutating func object(depth: Int) throws(Malformed) -> JSONValue {
            try expect(UInt8(ascii: "{"))
            var members: [Member] = []
            skipSpace()
            if current == UInt8(ascii: "}") {
                index += 1
                return .object([])
            }
            while true {
                skipSpace()
                let name = try string()
                skipSpace()
                try expect(UInt8(ascii: ":"))
                members.append(Member(name, try value(depth: depth + 1)))
                skipSpace()
                if current == UInt8(ascii: ",") {
                    index += 1
                    continue
                }
                try expect(UInt8(ascii: "}"))
                return .object(members)
            }
        }

        mutating func array(depth: Int) throws(Malformed) -> JSONValue {
            try expect(UInt8(ascii: "["))
            var elements: [JSONValue] = []
            skipSpace()
            if current == UInt8(ascii: "]") {
                index += 1
                return .array([])
            }
            while true {
                elements.append(try value(depth: depth + 1))
                skipSpace()
                if current == UInt8(ascii: ",") {
                    index += 1
                    continue
                }
                try expect(UInt8(ascii: "]"))
                return .array(elements)
            }
        }

        mutating func digits() throws(Malformed) {
            let start = index
            while let byte = current, (0x30...0x39).contains(byte) { index += 1 }
            guard index > start else { throw problem }
        }

        mutating func number() throws(Malformed) -> JSONValue {
            let start = index
            if current == UInt8(ascii: "-") { index += 1 }
            let first = current
            let firstIndex = index
            try digits()
            if first == 0x30, index > firstIndex + 1 { throw Malformed(offset: firstIndex) }
            if current == UInt8(ascii: ".") {
                index += 1
                try digits()
            }
            if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
                index += 1
                if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { index += 1 }
                try digits()
            }
            guard index - start <= 512 else { throw Malformed(offset: start) }
            return .number(String(decoding: bytes[start..<index], as: UTF8.self))
        }

        mutating func string() throws(Malformed) -> String {
            try expect(UInt8(ascii: "\""))
            var out: [UInt8] = []
            while let byte = current {
                switch byte {
                case UInt8(ascii: "\""):
                    index += 1
                    guard let text = String(validating: out, as: UTF8.self) else { throw problem }
                    return text
                case UInt8(ascii: "\\"):
                    index += 1
                    try escape(into: &out)
                case 0x00..<0x20: throw problem
                default:
                    out.append(byte)
                    index += 1
                }
            }
            throw problem
        }

        mutating func escape(into out: inout [UInt8]) throws(Malformed) {
            guard let byte = current else { throw problem }
            index += 1
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(byte)
            case UInt8(ascii: "b"): out.append(0x08)
            case UInt8(ascii: "f"): out.append(0x0c)
            case UInt8(ascii: "n"): out.append(0x0a)
            case UInt8(ascii: "r"): out.append(0x0d)
            case UInt8(ascii: "t"): out.append(0x09)
            case UInt8(ascii: "u"):
                let unit = try codeUnit()
                var scalar = UInt32(unit)
                if (0xd800..<0xdc00).contains(unit) {
                    try expect(UInt8(ascii: "\\"))
                    try expect(UInt8(ascii: "u"))
                    let low = try codeUnit()
                    guard (0xdc00..<0xe000).contains(low) else { throw problem }
                    scalar = 0x10000 + (UInt32(unit) - 0xd800) << 10 + (UInt32(low) - 0xdc00)
                }
                guard let character = Unicode.Scalar(scalar) else { throw problem }
                out.append(contentsOf: String(Character(character)).utf8)
            default: throw Malformed(offset: index - 1)
            }
        }

        mutating func codeUnit() throws(Malformed) -> UInt16 {
            guard bytes.count - index >= 4,
                let unit = UInt16(String(decoding: bytes[index..<index + 4], as: UTF8.self), radix: 16),
                bytes[index] != UInt8(ascii: "+"), bytes[index] != UInt8(ascii: "-")
            else { throw problem }
            index += 4
            return unit
        }
    }
}
