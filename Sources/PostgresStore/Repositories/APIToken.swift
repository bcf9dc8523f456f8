package import GatewayCore

/// An API token as it is stored: everything but the token itself, of which only the SHA-256 exists.
package struct APIToken: Sendable, Equatable {
    /// What is said about a token; one that has not started yet is active.
    package enum Status: String, Sendable, CaseIterable { case active, disabled, expired }

    package var id: TokenID
    package var account: AccountID
    package var name: String
    package var permissions: Permissions
    package var createdAt: Instant
    package var modifiedAt: Instant
    /// When it starts to count; nil: when it was made.
    package var notBefore: Instant?
    package var expiresAt: Instant?
    /// Out of use until somebody says otherwise.
    package var isDisabled: Bool
    /// Out of use for ever.
    package var revokedAt: Instant?
    package var lastUsedAt: Instant?

    package func status(at now: Instant) -> Status {
        if revokedAt != nil || isDisabled { return .disabled }
        if let expiresAt, expiresAt <= now { return .expired }
        return .active
    }

    /// Whether its bearer is let in at this time.
    package func isUsable(at now: Instant) -> Bool {
        status(at: now) == .active && (notBefore.map { $0 <= now } ?? true)
    }
}

extension Permissions {
    private static let words: [(String, Permissions)] = [
        ("run", .run), ("read", .read), ("edit", .edit), ("metadata", .metadata), ("gateway-read", .gatewayRead),
        ("gateway-edit", .gatewayEdit), ("secrets-read", .secretsRead), ("secrets-edit", .secretsEdit),
        ("analytics", .analytics),
    ]

    /// Every word there is, in a fixed order.
    package static let allWords = words.map(\.0)

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
