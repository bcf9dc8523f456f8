package import GatewayCore

/// An API token as it is stored: everything but the token itself, of which only the SHA-256 exists.
package struct APIToken: Sendable, Equatable {
    /// Whether a token may be used now.
    package enum Status: String, Sendable { case active, disabled, expired }

    package var id: TokenID
    package var account: AccountID
    package var name: String
    package var permissions: Permissions
    package var createdAt: Instant
    package var expiresAt: Instant?
    package var revokedAt: Instant?
    package var lastUsedAt: Instant?

    package func status(at now: Instant) -> Status {
        if revokedAt != nil { return .disabled }
        if let expiresAt, expiresAt <= now { return .expired }
        return .active
    }
}

extension Permissions {
    private static let words: [(String, Permissions)] = [("run", .run), ("read", .read), ("edit", .edit)]

    /// The words of the command line and the database, in a fixed order.
    package var words: [String] { Self.words.filter { contains($0.1) }.map(\.0) }

    /// Nil when a word is not known.
    package init?(words: [String]) {
        self = []
        for word in words {
            guard let known = Self.words.first(where: { $0.0 == word }) else { return nil }
            insert(known.1)
        }
    }
}
