/// Texts in base64 (RFC 4648).
enum Base64Text {
    /// Which characters stand for the last two values, and whether the end is filled up.
    enum Alphabet {
        /// §4, with padding.
        case standard
        /// §5, without.
        case url
    }

    private static let standard: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    private static let url: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    static func encode(_ bytes: UnsafeRawBufferPointer, _ alphabet: Alphabet = .standard) -> String {
        let letters = UnsafeRawPointer((alphabet == .standard ? standard : url).utf8Start)
        func letter(_ value: UInt32) -> UInt8 { letters.load(fromByteOffset: Int(value & 63), as: UInt8.self) }
        return String(unsafeUninitializedCapacity: (bytes.count + 2) / 3 * 4) { out in
            var count = 0
            var index = 0
            while index + 3 <= bytes.count {
                let group =
                    UInt32(bytes[index]) << 16 | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2])
                out[count] = letter(group >> 18)
                out[count + 1] = letter(group >> 12)
                out[count + 2] = letter(group >> 6)
                out[count + 3] = letter(group)
                count += 4
                index += 3
            }
            let left = bytes.count - index
            guard left > 0 else { return count }
            let group = UInt32(bytes[index]) << 16 | (left > 1 ? UInt32(bytes[index + 1]) << 8 : 0)
            for place in 0...left {
                out[count] = letter(group >> UInt32(18 - 6 * place))
                count += 1
            }
            guard alphabet == .standard else { return count }
            for _ in left..<3 {
                out[count] = 0x3D
                count += 1
            }
            return count
        }
    }

    static func encode(_ bytes: [UInt8], _ alphabet: Alphabet = .standard) -> String {
        bytes.withUnsafeBytes { encode($0, alphabet) }
    }

    /// The text, whichever alphabet it is in; nil when the input is no base64 or no UTF-8.
    static func decode(_ text: Substring) -> String? {
        decodeBytes(text.utf8).flatMap { String(validating: $0, as: UTF8.self) }
    }

    /// The bytes, whichever alphabet they are in; nil when the input is no base64.
    static func decodeBytes(_ text: some Collection<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3 + 2)
        var bits: UInt32 = 0
        var count = 0
        for byte in text {
            let value: UInt8
            switch byte {
            case 0x41...0x5A: value = byte - 0x41
            case 0x61...0x7A: value = byte - 0x61 + 26
            case 0x30...0x39: value = byte - 0x30 + 52
            case 0x2B, 0x2D: value = 62
            case 0x2F, 0x5F: value = 63
            case 0x3D, 0x0A, 0x0D, 0x20: continue
            default: return nil
            }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return bytes
    }
}
