/// The picture of a provider that was given none: its initial on a disc.
struct ProviderLogo {
    let name: String

    /// SVG in base64 (control-plane.md §8.1 · documented: answers always have a logo).
    var base64: String { Self.base64(Array(svg.utf8)) }

    var svg: String {
        let hue = name.unicodeScalars.reduce(UInt32(7)) { ($0 &* 31 &+ $1.value) % 360 }
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="16" \
            fill="hsl(\(hue),45%,45%)"/><text x="16" y="21.5" font-family="sans-serif" font-size="16" fill="#fff" \
            text-anchor="middle">\(initial)</text></svg>
            """
    }

    /// A letter or digit, so that it needs no escaping.
    private var initial: String {
        name.first { $0.isLetter || $0.isNumber }.map { String($0).uppercased() } ?? "?"
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// RFC 4648 §4.
    static func base64(_ bytes: [UInt8]) -> String {
        var out: [UInt8] = []
        out.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let word = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << (8 * (3 - UInt32(group.count)))
            for position in 0..<4 {
                out.append(
                    position <= group.count ? alphabet[Int(word >> (18 - 6 * UInt32(position)) & 63)] : 0x3d
                )
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
