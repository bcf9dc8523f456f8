/// The base URL of a service we call: scheme, host, optional port and path prefix.
package struct EndpointURL: Hashable, Sendable, CustomStringConvertible {
    package let scheme: String
    /// Without brackets.
    package let host: String
    package let port: Int?
    /// Empty, or starts with `/` and does not end in one.
    package let path: String

    /// Nil when a part is missing or malformed, or the URL has a user, a query or a fragment.
    package init?(_ text: String, schemes: [String]) {
        guard !text.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7f || $0 == 0x3f || $0 == 0x23 }) else { return nil }
        guard let scheme = schemes.first(where: { text.lowercased().hasPrefix($0 + "://") }) else { return nil }
        let rest = text.dropFirst(scheme.count + 3)
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        guard let (host, port) = Self.authority(String(rest[..<slash])) else { return nil }
        var path = String(rest[slash...])
        while path.hasSuffix("/") { path.removeLast() }
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = path
    }

    package var description: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return "\(scheme)://\(name)" + (port.map { ":\($0)" } ?? "") + path
    }

    /// Splits `host`, `host:port`, `[ipv6]`, `[ipv6]:port`.
    static func authority(_ text: String) -> (host: String, port: Int?)? {
        var host = Substring(text)
        var port: Int?
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { return nil }
            host = text[text.index(after: text.startIndex)..<close]
            guard NetworkRange.addressBytes(String(host))?.count == 16 else { return nil }
            let rest = text[text.index(after: close)...]
            if !rest.isEmpty {
                guard rest.hasPrefix(":"), let number = wholeNumber(rest.dropFirst()) else { return nil }
                port = number
            }
        } else {
            if let colon = text.lastIndex(of: ":") {
                guard let number = wholeNumber(text[text.index(after: colon)...]) else { return nil }
                port = number
                host = text[..<colon]
            }
            guard isHostName(String(host)) else { return nil }
        }
        if let port, !(1...65535).contains(port) { return nil }
        return (String(host), port)
    }

    /// Letters, digits, hyphens, underscores and dots, no empty label.
    static func isHostName(_ text: String) -> Bool {
        guard !text.isEmpty, text.utf8.count <= 253 else { return false }
        return text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            !label.isEmpty
                && label.utf8.allSatisfy {
                    (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) || (0x41...0x5a).contains($0) || $0 == 0x2d
                        || $0 == 0x5f
                }
        }
    }
}
