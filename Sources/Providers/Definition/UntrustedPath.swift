import GatewayCore

/// Checks on path parts that came from a client.
///
/// The host never comes from a path as it is: it is fixed, or built from one segment that matched a narrow pattern.
enum UntrustedPath {
    static func refusal(_ message: String) -> GatewayError {
        GatewayError(.invalidProvider, origin: .client, message: message)
    }

    /// Takes leading slashes off and refuses bytes that cannot stand in a request target's path.
    static func check(_ path: String) throws(GatewayError) -> String {
        let (isAcceptable, slashes) = path.withBytes { bytes in
            (bytes.allSatisfy(canStandInPath), bytes.prefix { $0 == 0x2f }.count)
        }
        guard isAcceptable else { throw refusal("Invalid path") }
        return slashes == 0 ? path : String(decoding: path.utf8.dropFirst(slashes), as: UTF8.self)
    }

    @inline(__always)
    private static func canStandInPath(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte != 0x7f && byte != 0x5c && byte != 0x3f && byte != 0x23
    }

    /// Refuses `.` and `..` segments, percent-encoded ones too: below a fixed prefix they would leave it.
    static func requireNoDotSegments(_ path: String) throws(GatewayError) {
        let (isEncoded, leaves) = path.withBytes { bytes in (bytes.contains(0x25), hasDotSegment(bytes)) }
        guard !leaves else { throw refusal("Invalid path") }
        guard isEncoded else { return }
        for segment in path.split(separator: "/") {
            let plain = percentDecoded(String(segment))
            if plain.split(omittingEmptySubsequences: false, whereSeparator: { $0 == "/" || $0 == "\\" }).contains(
                where: { $0 == "." || $0 == ".." })
            {
                throw refusal("Invalid path")
            }
        }
    }

    private static func hasDotSegment(_ path: UnsafeRawBufferPointer) -> Bool {
        var dots = 0
        var others = 0
        for byte in path {
            switch byte {
            case 0x2f, 0x5c:
                if others == 0, dots == 1 || dots == 2 { return true }
                (dots, others) = (0, 0)
            case 0x2e: dots += 1
            default: others += 1
            }
        }
        return others == 0 && (dots == 1 || dots == 2)
    }

    /// `^[A-Za-z0-9][A-Za-z0-9._-]*$`, at most 63 bytes.
    static func isResourceName(_ text: Substring) -> Bool {
        guard (1...63).contains(text.utf8.count), let first = text.utf8.first, isAlphanumeric(first) else {
            return false
        }
        return text.utf8.allSatisfy { isAlphanumeric($0) || $0 == 0x2e || $0 == 0x5f || $0 == 0x2d }
    }

    /// Whether a model's name can stand in a path as it is: letters, digits, `.`, `_`, `-` and `@`, at most 256 bytes.
    static func isModelName(_ text: some StringProtocol) -> Bool {
        guard (1...256).contains(text.utf8.count), text != ".", text != ".." else { return false }
        return text.utf8.allSatisfy {
            isAlphanumeric($0) || $0 == 0x2e || $0 == 0x5f || $0 == 0x2d || $0 == 0x40
        }
    }

    static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: false
        }
    }

    /// The text as one segment of a path; nil when it is empty or would not stay one.
    ///
    /// Everything but letters, digits and `-._` is percent-encoded.
    static func segment(_ text: String) -> String? {
        guard !text.isEmpty, text != ".", text != "..", text.utf8.count <= 512 else { return nil }
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if isAlphanumeric(byte) || byte == 0x2d || byte == 0x2e || byte == 0x5f {
                bytes.append(byte)
            } else {
                bytes += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The text with `%XX` replaced by bytes; what is not valid UTF-8 afterwards is repaired.
    static func percentDecoded(_ text: String) -> String {
        guard text.utf8.contains(0x25) else { return text }
        return String(decoding: percentDecoded(bytesOf: text.utf8), as: UTF8.self)
    }

    /// The bytes of a text with `%XX` replaced by what it stands for.
    static func percentDecoded(bytesOf text: some Collection<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var rest = Array(text)[...]
        func nibble(_ byte: UInt8) -> UInt8? {
            switch byte {
            case 0x30...0x39: byte - 0x30
            case 0x41...0x46: byte - 0x37
            case 0x61...0x66: byte - 0x57
            default: nil
            }
        }
        while let byte = rest.popFirst() {
            if byte == 0x25, rest.count >= 2, let high = nibble(rest[rest.startIndex]),
                let low = nibble(rest[rest.startIndex + 1])
            {
                bytes.append(high << 4 | low)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return bytes
    }
}
