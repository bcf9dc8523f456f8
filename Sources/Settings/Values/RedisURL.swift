import Foundation
package import GatewayCore

/// The text form of a `RedisEndpoint`.
///
/// One server: the redirections of a Redis Cluster are not followed, so its schemes are no shape.
///
/// - Shape: `redis://[user[:password]@]host[:port][/database]`, the same with `rediss`;
///   `unix:/path[?db=N&username=U&password=P]`. User and password are percent-decoded.
package enum RedisURL {
    private static let schemes: [(prefix: String, usesTLS: Bool)] = [("redis://", false), ("rediss://", true)]

    /// Nil when the text has another shape.
    package static func endpoint(_ text: String) -> RedisEndpoint? {
        guard !text.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7f }) else { return nil }
        if text.hasPrefix("unix:") { return unixEndpoint(text.dropFirst(5)) }
        guard let scheme = schemes.first(where: { text.hasPrefix($0.prefix) }) else { return nil }
        var rest = text.dropFirst(scheme.prefix.count)
        guard !rest.contains("?"), !rest.contains("#") else { return nil }
        var database = 0
        if let slash = rest.firstIndex(of: "/") {
            let number = rest[rest.index(after: slash)...]
            if !number.isEmpty {
                guard let parsed = wholeNumber(number), parsed < 65536 else { return nil }
                database = parsed
            }
            rest = rest[..<slash]
        }
        var username: String?
        var password: Secret<String>?
        if let at = rest.lastIndex(of: "@") {
            let user = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = String(user[0]).removingPercentEncoding else { return nil }
            username = name.isEmpty ? nil : name
            if user.count == 2 {
                guard let text = String(user[1]).removingPercentEncoding, !text.isEmpty else { return nil }
                password = Secret(text)
            } else if username != nil {
                return nil
            }
            rest = rest[rest.index(after: at)...]
        }
        guard let (host, port) = EndpointURL.authority(String(rest)) else { return nil }
        return RedisEndpoint(
            address: .tcp(host: host, port: port ?? 6379), usesTLS: scheme.usesTLS, username: username,
            password: password, database: database
        )
    }

    private static func unixEndpoint(_ text: Substring) -> RedisEndpoint? {
        let parts = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var path = parts[0]
        if path.hasPrefix("//") { path = path.dropFirst(2) }
        guard path.hasPrefix("/"), path.utf8.count <= PortAddress.maxPath else { return nil }
        var endpoint = RedisEndpoint(address: .unix(path: String(path)))
        guard parts.count == 2 else { return endpoint }
        for pair in parts[1].split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard halves.count == 2, let value = String(halves[1]).removingPercentEncoding else { return nil }
            switch halves[0] {
            case "db":
                guard let number = wholeNumber(value), number < 65536 else { return nil }
                endpoint.database = number
            case "username": endpoint.username = value
            case "password": endpoint.password = Secret(value)
            default: return nil
            }
        }
        return endpoint
    }
}
