/// Where an HTTP server is: scheme, host, port, and a prefix of its paths.
struct HTTPAddress: Sendable, Equatable {
    enum Scheme: String, Sendable { case http, https }

    var scheme: Scheme
    /// A name or an address, without brackets.
    var host: String
    var port: Int
    /// Begins with a slash and does not end with one, or is empty.
    var prefix: String

    /// Reads `https://host:port/prefix`; nil when it is anything else.
    init?(_ text: String) {
        let name = text.prefix { $0 != ":" }
        guard let scheme = Scheme(rawValue: String(name)), text.dropFirst(name.count).hasPrefix("://") else {
            return nil
        }
        let rest = text.dropFirst(name.count + 3)
        guard !rest.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7f || "@?#".utf8.contains($0) }) else { return nil }
        let authority = rest.prefix { $0 != "/" }
        var path = rest.dropFirst(authority.count)
        while path.hasSuffix("/") { path = path.dropLast() }
        self.scheme = scheme
        prefix = String(path)
        var host = authority
        var port = scheme == .https ? 443 : 80
        if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
            guard let number = Int(authority[authority.index(after: colon)...]), (1...65_535).contains(number) else {
                return nil
            }
            port = number
            host = authority[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty else { return nil }
        self.host = String(host)
        self.port = port
    }

    /// As the `Host` header names it.
    var authority: String { (host.contains(":") ? "[\(host)]" : host) + ":\(port)" }
}
