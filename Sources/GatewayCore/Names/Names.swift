/// A name that is a string on every wire but must not be mixed up with other names.
///
/// - Shape: the text as it came, compared byte for byte (names are case-sensitive).
package protocol Name: RawRepresentable, Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral
where RawValue == String {
    init(rawValue: String)
}

extension Name {
    package init(_ text: String) { self.init(rawValue: text) }
    package init(stringLiteral text: String) { self.init(rawValue: text) }
    package var description: String { rawValue }
}

/// An account: 32 lower-case hexadecimal characters.
package struct AccountID: Name {
    package var rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    /// Whether `bytes` has the form of an account id.
    ///
    /// - Source: data-plane §1.1 · observed: upper-case hexadecimal is refused with 2009.
    package static func isWellFormed(_ bytes: some Collection<UInt8>) -> Bool {
        bytes.count == 32 && bytes.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}

/// A gateway's slug, 1 to 64 characters, unique within its account.
package struct GatewayID: Name {
    package var rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    /// The gateway that the first authenticated request creates.
    package static let `default`: GatewayID = "default"

    /// Whether a gateway may be created under this id: `^[a-z0-9_]+(?:-[a-z0-9_]+)*$`, 1 to 64 characters.
    package var isWellFormed: Bool {
        let bytes = rawValue.utf8
        guard (1...64).contains(bytes.count) else { return false }
        var previousWasHyphen = true
        for byte in bytes {
            switch byte {
            case 0x61...0x7a, 0x30...0x39, 0x5f: previousWasHyphen = false
            case 0x2d where !previousWasHyphen: previousWasHyphen = true
            default: return false
            }
        }
        return !previousWasHyphen
    }
}

/// A provider's slug in URLs and logs, for example `openai` or `custom-acme`.
package struct ProviderID: Name {
    package var rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
}

/// The name under which one of several stored keys of a provider is chosen.
package struct KeyAlias: Name {
    package var rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
    package static let `default`: KeyAlias = "default"
}

/// An API token's public id (32 hexadecimal characters); never the token.
package struct TokenID: Name {
    package var rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
}

/// A stored secret's id (32 hexadecimal characters).
package struct SecretID: Name {
    package var rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
}

/// A secrets store's id (32 hexadecimal characters).
package struct StoreID: Name {
    package var rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
}
