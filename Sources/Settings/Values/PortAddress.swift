import Glibc

/// Where a port of ours listens.
///
/// - Shape: `127.0.0.1:8787`, `localhost:8787`, `*:8787`, `[::1]:8787`, `unix:/run/aigatewayd.sock`.
package enum PortAddress: Hashable, Sendable, CustomStringConvertible {
    /// `host` is without brackets; `*` became `0.0.0.0`.
    case tcp(host: String, port: Int)
    case unix(path: String)

    /// The longest path that fits into a socket address.
    package static let maxPath = 107

    package init?(_ text: String) {
        if text.hasPrefix("unix:") {
            var path = text.dropFirst(5)
            if path.hasPrefix("//") { path = path.dropFirst(2) }
            guard path.hasPrefix("/"), path.utf8.count <= Self.maxPath, !path.utf8.contains(0) else { return nil }
            self = .unix(path: String(path))
            return
        }
        guard let colon = text.lastIndex(of: ":") else { return nil }
        guard let port = wholeNumber(text[text.index(after: colon)...]), (1...65535).contains(port) else { return nil }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard NetworkRange.addressBytes(host)?.count == 16 else { return nil }
        } else if host == "*" {
            host = "0.0.0.0"
        } else {
            guard EndpointURL.isHostName(host) else { return nil }
        }
        self = .tcp(host: host, port: port)
    }

    package var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// The URL under which a client on this machine reaches the port; nil for Unix sockets.
    /// - Parameter scheme: `http` or `https`.
    package func localURL(scheme: String) -> String? {
        guard case .tcp(let host, let port) = self else { return nil }
        switch host {
        case "0.0.0.0": return "\(scheme)://127.0.0.1:\(port)"
        case "::": return "\(scheme)://[::1]:\(port)"
        default: return "\(scheme)://\(PortAddress.tcp(host: host, port: port))"
        }
    }
}
