package import GatewayCore

/// An origin and the fixed path in front of everything under it.
package struct UpstreamRoot: Sendable, Equatable {
    package var origin: Origin
    /// Empty, or a leading slash and no trailing one: `/openai/v1`.
    package var prefix: String

    package init(origin: Origin, prefix: String) {
        self.origin = origin
        self.prefix = prefix
    }

    /// Reads `https://host[:port][/path]`; nil for other schemes, user information, queries and fragments.
    package init?(_ text: String) {
        let scheme: Origin.Scheme
        var rest = text[...]
        if text.lowercased().hasPrefix("https://") {
            scheme = .https
            rest = rest.dropFirst(8)
        } else if text.lowercased().hasPrefix("http://") {
            scheme = .http
            rest = rest.dropFirst(7)
        } else {
            return nil
        }
        guard rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != 0x5c && $0 != 0x3f && $0 != 0x23 }) else {
            return nil
        }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        guard let origin = Self.origin(scheme, String(rest[..<slash])) else { return nil }
        var path = String(rest[slash...])
        while path.hasSuffix("/") { path.removeLast() }
        self.init(origin: origin, prefix: path)
    }

    private static func origin(_ scheme: Origin.Scheme, _ authority: String) -> Origin? {
        guard !authority.contains("@") else { return nil }
        var host = authority[...]
        var port: Int?
        func number(_ text: Substring) -> Int? {
            guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(text),
                (1...65535).contains(value)
            else { return nil }
            return value
        }
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { return nil }
            let after = host[host.index(after: end)...]
            host = host[host.index(after: host.startIndex)..<end]
            guard host.utf8.allSatisfy({ isHexadecimal($0) || $0 == 0x3a || $0 == 0x2e }) else { return nil }
            if !after.isEmpty {
                guard after.hasPrefix(":"), let value = number(after.dropFirst()) else { return nil }
                port = value
            }
        } else {
            if let colon = host.firstIndex(of: ":") {
                guard let value = number(host[host.index(after: colon)...]) else { return nil }
                port = value
                host = host[..<colon]
            }
            guard host.utf8.allSatisfy({ isNamePart($0) }) else { return nil }
        }
        guard !host.isEmpty else { return nil }
        return Origin(scheme: scheme, host: host.lowercased(), port: port)
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
    }

    private static func isNamePart(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f: true
        default: false
        }
    }

    /// The path of a canonical one below this base; what the base already ends with is not doubled (decisions 1).
    ///
    /// - Parameter fixed: how many leading segments of `path` are the provider's, not the caller's.
    func path(for path: String, fixed: Int) -> String {
        guard !prefix.isEmpty else { return path }
        let base = prefix.split(separator: "/")
        let canonical = path.split(separator: "/", maxSplits: fixed, omittingEmptySubsequences: true)
        let own = canonical.prefix(fixed)
        var doubled = 0
        var count = min(base.count, own.count)
        while count > 0, doubled == 0 {
            if Array(base.suffix(count)) == Array(own.prefix(count)) { doubled = count }
            count -= 1
        }
        if doubled == 0, let last = own.last, last == base.last, PlainPath.isVersion(last) { doubled = own.count }
        var rest = path[...]
        for segment in own.prefix(doubled) { rest = rest.dropFirst(segment.count + 1) }
        return rest.isEmpty ? prefix : prefix + rest
    }
}
