package import GatewayCore
package import PostgresStore
import SecretVault

/// Accounts' API tokens: made, listed, taken out of use, recognised.
package struct TokenAdministration: Sendable {
    /// What a token of ours starts with, so that it is told apart from a provider's key.
    package static let prefix = "aig_"
    /// Last uses are noted at most this often.
    private static let touchIntervalMicroseconds: Int64 = 60_000_000

    private let tokens: TokenRepository
    private let clock: any WallClock

    package init(_ pool: PostgresPool, clock: any WallClock) {
        tokens = TokenRepository(pool)
        self.clock = clock
    }

    /// Makes a token; its text is returned here and nowhere else.
    ///
    /// An account that does not exist yet is made.
    package func create(
        account: AccountID, name: String, permissions: Permissions, expiresAt: Instant?
    ) async throws(ControlError) -> (token: APIToken, text: Secret<String>, version: UInt64) {
        guard AccountID.isWellFormed(account.rawValue.utf8) else {
            throw .invalid([FieldProblem(["params", "account_id"], "Expected 32 lower-case hexadecimal characters")])
        }
        guard !permissions.isEmpty else {
            throw .invalid([FieldProblem(["body", "permissions"], "At least one permission is needed")])
        }
        guard name.unicodeScalars.count <= 256, !name.utf8.contains(0) else {
            throw .invalid([FieldProblem(["body", "name"], "String must contain at most 256 characters")])
        }
        let text: String
        let id: TokenID
        do {
            text = Self.prefix + (try RandomBytes.hexadecimal(bytes: 24))
            id = TokenID(try RandomBytes.hexadecimal(bytes: 16))
        } catch {
            throw .internalFailure("no random bytes")
        }
        let written = try await storing {
            try await tokens.insert(
                id: id, hash: Digest.sha256(text), account: account, name: name, permissions: permissions,
                expiresAt: expiresAt
            )
        }
        guard let token = written.value else { throw .internalFailure("a new token collided with an old one") }
        return (token, Secret(text), written.version)
    }

    /// Makes sure that the first account and its token exist.
    ///
    /// A token that was revoked stays revoked.
    ///
    /// - Parameter token: decided by the operator or generated at the first start; only its digest is stored.
    package func bootstrap(account: AccountID, token: Secret<String>) async throws(ControlError) {
        guard AccountID.isWellFormed(account.rawValue.utf8) else {
            throw .invalid([FieldProblem(["bootstrap", "account_id"], "Expected 32 lower-case hexadecimal characters")])
        }
        let hash = Digest.sha256(token.reveal())
        if try await storing({ try await tokens.find(hash: hash) }) != nil { return }
        // The same token always gets the same id, on every node.
        let id = TokenID(Hexadecimal.text(of: Digest.sha256(Hexadecimal.text(of: hash) + account.rawValue).prefix(16)))
        _ = try await storing {
            try await tokens.insert(
                id: id, hash: hash, account: account, name: "bootstrap", permissions: [.run, .read, .edit],
                expiresAt: nil
            )
        }
    }

    /// Tokens by age; of all accounts when none is given.
    package func list(of account: AccountID?) async throws(ControlError) -> [APIToken] {
        try await storing { try await tokens.list(account) }
    }

    /// Takes a token out of use.
    package func revoke(_ id: TokenID, of account: AccountID?) async throws(ControlError) -> UInt64 {
        let written = try await storing { try await tokens.revoke(id, of: account) }
        guard written.value else { throw .notFound }
        return written.version
    }

    /// The token with this text and whether it may be used now; nil when it was never issued.
    package func recognise(
        _ text: Secret<String>
    ) async throws(ControlError) -> (token: APIToken, status: APIToken.Status)? {
        let found = try await storing { try await tokens.find(hash: Digest.sha256(text.reveal())) }
        guard let token = found else { return nil }
        let now = clock.now
        let status = token.status(at: now)
        let idle = now.microseconds - (token.lastUsedAt?.microseconds ?? 0)
        if status == .active, idle > Self.touchIntervalMicroseconds {
            try await storing { try await tokens.touch(token.id) }
        }
        return (token, status)
    }
}
