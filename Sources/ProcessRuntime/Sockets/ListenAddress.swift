/// Where a port listens: `127.0.0.1:8787`, `[::1]:8787`, `localhost:8787`, `:8787`, `*:8787` or `unix:/path`.
package enum ListenAddress: Sendable, Hashable, CustomStringConvertible {
    /// An empty host means every address.
    case tcp(host: String, port: UInt16)
    case unix(path: String)

    /// Reads an address as the settings spell it; nil when it is none.
    package init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard path.hasPrefix("/"), path.utf8.count <= 107 else { return nil }
            self = .unix(path: path)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        self = .tcp(host: host == "*" ? "" : String(host), port: port)
    }

    package var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host.isEmpty ? "*" : host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
