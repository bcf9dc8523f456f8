package import GatewayCore

/// An address that an operator or a tenant gave: `https://host:port/path?query`.
package struct OutboundURL: Sendable, Equatable {
    package enum Scheme: String, Sendable { case http, https }

    /// Why a text cannot be used.
    package enum Refusal: Error, Sendable, Equatable {
        case notAURL
        case notHTTPS
        case hasCredentials
        case notPublic(InternetAddress.Refusal)
        case localName

        package var message: String {
            switch self {
            case .notAURL: "Invalid URL"
            case .notHTTPS: "URL must begin with https://"
            case .hasCredentials: "URL must not contain credentials"
            case .notPublic(let reason): "URL must not lead to a \(reason.rawValue) address"
            case .localName: "URL must not lead to this host"
            }
        }
    }

    package var scheme: Scheme
    /// A name or an address, without brackets.
    package var host: String
    package var port: Int
    /// Begins with a slash.
    package var path: String
    /// Without the question mark; nil when there is none.
    package var query: String?

    /// Reads an address; under `publicAddressesOnly` it must use TLS and not name a private place.
    ///
    /// What a name stands for is judged when a connection is opened.
    package init(_ text: String, egress: EgressRule) throws(Refusal) {
        guard text.utf8.count <= 2048, text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }), !text.contains("#") else {
            throw .notAURL
        }
        let name = text.prefix { $0 != ":" }
        guard let scheme = Scheme(rawValue: name.lowercased()), text.dropFirst(name.count).hasPrefix("://") else {
            throw .notAURL
        }
        let rest = text.dropFirst(name.count + 3)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard !authority.contains("@") else { throw .hasCredentials }
        let target = rest.dropFirst(authority.count)
        let path = target.prefix { $0 != "?" }
        self.scheme = scheme
        self.path = path.isEmpty ? "/" : String(path)
        query = target.count > path.count ? String(target.dropFirst(path.count + 1)) : nil
        var host = authority
        var port = scheme == .https ? 443 : 80
        if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
            guard let number = Int(authority[authority.index(after: colon)...]), (1...65_535).contains(number) else {
                throw .notAURL
            }
            port = number
            host = authority[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, !host.contains("["), !host.contains("]") else { throw .notAURL }
        self.host = String(host)
        self.port = port
        if egress == .publicAddressesOnly {
            guard scheme == .https else { throw .notHTTPS }
            try requirePublicHost()
        }
    }

    private func requirePublicHost() throws(Refusal) {
        if let address = InternetAddress(host: host) {
            if let reason = address.refusal { throw .notPublic(reason) }
            return
        }
        var name = host.lowercased()[...]
        while name.hasSuffix(".") { name = name.dropLast() }
        guard !name.isEmpty else { throw .notAURL }
        // RFC 6761: resolvers answer these with the loopback address.
        if name == "localhost" || name.hasSuffix(".localhost") { throw .localName }
    }

    /// As the `Host` header names it.
    package var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (scheme == .https ? 443 : 80) ? name : "\(name):\(port)"
    }

    /// Path and query, as a request line has them.
    package var target: String { path + (query.map { "?" + $0 } ?? "") }
}
