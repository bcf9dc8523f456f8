import GatewayCore

/// What the text of a setting has to look like.
package enum SettingKind: Sendable {
    /// A list of `host:port`, `[ipv6]:port` and `unix:/path`.
    case listenAddresses
    /// A list of networks in CIDR notation.
    case networks
    case size
    /// A duration, or `none` for "without end".
    case durationOrNone
    case duration
    /// `auto` or a number of processes.
    case workerCount
    /// A whole number in this range.
    case number(ClosedRange<Int>)
    case choice([String])
    case flag
    case path
    /// An absolute URL with one of these schemes, without query.
    case url([String])
    case postgresURL
    case redisURL
    case accountID
    case apiToken
    /// A list of references to secrets, or of beginnings of them followed by `*`.
    case secretReferences
    /// A single word: a user's or a model's name.
    case word

    /// Whether a value is a list of texts.
    package var isList: Bool {
        switch self {
        case .listenAddresses, .networks, .secretReferences: true
        default: false
        }
    }

    /// Whether a value may contain a credential, so that it is neither echoed nor taken from the command line.
    package var mayHoldSecret: Bool {
        switch self {
        case .postgresURL, .redisURL, .apiToken: true
        default: false
        }
    }

    /// What is accepted, in the operator's words.
    package var accepted: String {
        switch self {
        case .listenAddresses: "host:port, [ipv6]:port or unix:/path, or a list of these"
        case .networks: "networks such as 10.0.0.0/8 or fd00::/8, or a list of these"
        case .size: "a size such as 100MiB, 4GiB, 500KB or a number of bytes"
        case .durationOrNone: "a duration such as 500ms, 5s, 2m, 1h, or none"
        case .duration: "a duration such as 500ms, 5s, 2m, 1h"
        case .workerCount: "auto or a number from 1 to 32"
        case .number(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .choice(let options): "one of " + options.joined(separator: ", ")
        case .flag: "true or false"
        case .path: "the path of a file or directory"
        case .url(let schemes): "a URL with \(schemes.joined(separator: " or ")) and a host, without query or password"
        case .postgresURL: "postgres://user:password@host:port/database or postgres:///database?host=/socket/directory"
        case .redisURL:
            "redis:// or rediss://[user:password@]host[:port][/database], or unix:/path, of one server (no Redis Cluster)"
        case .accountID: "32 lower-case hexadecimal characters"
        case .apiToken: "a printable string of 16 or more characters without spaces"
        case .secretReferences: "references such as env:NAME, file:/run/secrets/*, vault:kv/ai/*, or a list of these"
        case .word: "one word"
        }
    }

    /// Whether one text (an element, for lists) is acceptable.
    package func accepts(_ text: String) -> Bool {
        switch self {
        case .listenAddresses: PortAddress(text) != nil
        case .networks: NetworkRange(text) != nil
        case .size: SizeText.bytes(text) != nil
        case .durationOrNone: text == "none" || DurationText.duration(text) != nil
        case .duration: DurationText.duration(text) != nil
        case .workerCount: text == "auto" || Int(text).map { (1...32).contains($0) } == true
        case .number(let range): Int(text).map(range.contains) == true
        case .choice(let options): options.contains(text)
        case .flag: text == "true" || text == "false"
        case .path: !text.isEmpty && !text.utf8.contains(0)
        case .url(let schemes): EndpointURL(text, schemes: schemes) != nil
        case .postgresURL:
            ["postgres://", "postgresql://"].contains { text.hasPrefix($0) && text.utf8.count > $0.utf8.count }
                && !text.utf8.contains { $0 <= 0x20 || $0 == 0x7f }
        case .redisURL: RedisURL.endpoint(text) != nil
        case .accountID: AccountID.isWellFormed(text.utf8)
        case .apiToken: text.utf8.count >= 16 && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
        case .secretReferences: Self.isReferencePattern(text)
        case .word: !text.isEmpty && !text.utf8.contains { $0 <= 0x20 || $0 == 0x7f }
        }
    }

    /// A place in one of the three sources; a star stands at the end only, and after more than the source's name.
    private static func isReferencePattern(_ text: String) -> Bool {
        guard let source = ["env:", "file:/", "vault:"].first(where: { text.hasPrefix($0) }) else { return false }
        let rest = text.dropFirst(source.count)
        return !rest.isEmpty && !rest.dropLast().contains("*") && !rest.utf8.contains { $0 <= 0x20 || $0 == 0x7f }
    }
}
