import GatewayCore
import Providers

/// An `https` address that a client's request names, taken apart; nothing else is ever fetched.
struct MediaAddress: Sendable, Equatable {
    var origin: Origin
    /// Path and query, percent-encoded.
    var target: String

    /// Bytes of the longest address · assumed.
    static let limit = 8192

    /// Nil for everything that is no `https` address with a host, or holds user information.
    init?(_ text: String) {
        guard text.utf8.count <= Self.limit, text.prefix(8).lowercased() == "https://" else { return nil }
        let rest = text.dropFirst(8)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        guard let root = UpstreamRoot("https://" + rest[..<end]), root.prefix.isEmpty, root.origin.scheme == .https,
            let target = Self.target(rest[end...])
        else { return nil }
        origin = root.origin
        self.target = target
    }

    private init(origin: Origin, target: String) {
        self.origin = origin
        self.target = target
    }

    /// Where a redirection leads; nil where `init` would be, and for other schemes (RFC 3986 §5).
    func redirected(to location: String) -> MediaAddress? {
        guard location.utf8.count <= Self.limit else { return nil }
        if location.hasPrefix("//") { return MediaAddress("https:" + location) }
        let scheme = location.prefix { $0 != "/" && $0 != "?" && $0 != "#" && $0 != ":" }
        if location[scheme.endIndex...].hasPrefix(":") { return MediaAddress(location) }
        let path = target.prefix { $0 != "?" }
        let full: String
        switch location.first {
        case "/": full = location
        case "?": full = path + location
        case "#", nil: full = target
        default: full = (path.lastIndex(of: "/").map { String(path[...$0]) } ?? "/") + location
        }
        return Self.target(full[...]).map { MediaAddress(origin: origin, target: $0) }
    }

    /// Path and query as they can stand in a request line, without the fragment; nil when they hold blanks or control
    /// characters.
    private static func target(_ text: Substring) -> String? {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.prefix(while: { $0 != "#" }).utf8 {
            guard byte > 0x20, byte != 0x7f else { return nil }
            if byte < 0x80 {
                bytes.append(byte)
            } else {
                bytes += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        let target = String(decoding: bytes, as: UTF8.self)
        return target.hasPrefix("/") ? target : "/" + target
    }
}
