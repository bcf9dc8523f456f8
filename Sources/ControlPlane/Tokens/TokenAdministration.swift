package import GatewayCore
package import PostgresStore
import SecretVault

/// Accounts' API tokens: made, listed, changed, taken out of use, recognised.
package struct TokenAdministration: Sendable {
    /// What a token of ours starts with, so that it is told apart from a provider's key.
    package static let prefix = "aig_"
    /// Last uses are noted at most this often.
    private static let touchIntervalMicroseconds: Int64 = 60_000_000

    private let tokens: TokenRepository
    /// Tokens an account may have, revoked ones not counted.
    private let limitPerAccount: Int
    private let clock: any WallClock

    package init(_ pool: PostgresPool, limitPerAccount: Int = 500, clock: any WallClock) {
        tokens = TokenRepository(pool)
        self.limitPerAccount = limitPerAccount
        self.clock = clock
    }

    // MARK: Making

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
        return try await insert(
            TokenTerms(name: name, permissions: permissions, expiresAt: expiresAt), of: account
        )
    }

    /// Makes the token that a call of the API describes.
    ///
    /// - Parameter author: whose token makes it; it gives nothing away that it has not itself.
    package func create(
        _ body: JSONValue, of account: AccountID, by author: APIToken
    ) async throws(ControlError) -> (token: APIToken, text: Secret<String>, version: UInt64) {
        let terms = try TokenDraft.terms(body, of: account, now: clock.now)
        try Self.check(terms.permissions, against: author)
        return try await insert(terms, of: account)
    }

    private func insert(
        _ terms: TokenTerms, of account: AccountID
    ) async throws(ControlError) -> (token: APIToken, text: Secret<String>, version: UInt64) {
        let text = try Self.newText()
        let id = TokenID(try Identifier.hexadecimal())
        let written = try await storing {
            do {
                return try await tokens.insert(
                    id: id, hash: Digest.sha256(text), account: account, terms, limit: limitPerAccount
                )
            } catch TokenRepository.Refusal.tokensExceeded {
                throw ControlError.invalid([
                    FieldProblem(["body", "name"], "This account has reached its limit of \(limitPerAccount) tokens")
                ])
            }
        }
        guard let token = written.value else { throw .internalFailure("a new token collided with an old one") }
        return (token, Secret(text), written.version)
    }

    /// Makes sure that the first account and its token exist.
    ///
    /// A token that was revoked stays revoked, and one that got another text is not given its old one back.
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
                id: id, hash: hash, account: account,
                TokenTerms(name: "bootstrap", permissions: [.run, .read, .edit]), limit: nil
            )
        }
    }

    private static func newText() throws(ControlError) -> String {
        do { return prefix + (try RandomBytes.hexadecimal(bytes: 24)) } catch {
            throw .internalFailure("no random bytes")
        }
    }

    /// Nobody makes or takes over a token that allows what his own does not.
    private static func check(_ permissions: Permissions, against author: APIToken) throws(ControlError) {
        guard author.permissions.cover(permissions) else { throw .forbidden }
    }

    // MARK: Looking

    /// Tokens by age, revoked ones included; of all accounts when none is given.
    package func list(of account: AccountID?) async throws(ControlError) -> [APIToken] {
        try await storing { try await tokens.list(account) }
    }

    /// One page of an account's tokens by age, without revoked ones.
    package func list(
        of account: AccountID, _ expired: TokenRepository.Expired, direction: SortDirection, page: PageRequest
    ) async throws(ControlError) -> Page<APIToken> {
        try await storing { try await tokens.list(of: account, expired, direction: direction, page: page) }
    }

    package func get(_ id: TokenID, of account: AccountID) async throws(ControlError) -> APIToken {
        guard let token = try await storing({ try await tokens.find(id, of: account) }) else { throw .notFound }
        return token
    }

    // MARK: Changing

    /// Gives a token the terms that a call of the API describes; what is left out is gone, but for the status.
    package func update(
        _ id: TokenID, of account: AccountID, _ body: JSONValue, by author: APIToken
    ) async throws(ControlError) -> ConfigurationWrite<APIToken> {
        let now = clock.now
        let written = try await storing {
            try await tokens.update(id, of: account) { current in
                let terms = try TokenDraft.terms(body, of: account, replacing: current, now: now)
                try Self.check(terms.permissions.union(current.permissions), against: author)
                return terms
            }
        }
        guard let written else { throw .notFound }
        return written
    }

    /// Gives a token another text, which is returned here and nowhere else; the old one counts no longer.
    package func roll(
        _ id: TokenID, of account: AccountID, by author: APIToken
    ) async throws(ControlError) -> ConfigurationWrite<Secret<String>> {
        try Self.check(try await get(id, of: account).permissions, against: author)
        let text = try Self.newText()
        let written = try await storing { try await tokens.roll(id, of: account, hash: Digest.sha256(text)) }
        guard written.value else { throw .notFound }
        return ConfigurationWrite(value: Secret(text), version: written.version)
    }

    /// Takes a token out of use for good.
    package func revoke(_ id: TokenID, of account: AccountID?) async throws(ControlError) -> UInt64 {
        let written = try await storing { try await tokens.revoke(id, of: account) }
        guard written.value else { throw .notFound }
        return written.version
    }

    // MARK: Recognising

    /// The token with this text and whether its bearer is let in now; nil when it was never issued.
    package func recognise(
        _ text: Secret<String>
    ) async throws(ControlError) -> (token: APIToken, isUsable: Bool)? {
        let found = try await storing { try await tokens.find(hash: Digest.sha256(text.reveal())) }
        guard let token = found else { return nil }
        let now = clock.now
        let isUsable = token.isUsable(at: now)
        let idle = now.microseconds - (token.lastUsedAt?.microseconds ?? 0)
        if isUsable, idle > Self.touchIntervalMicroseconds {
            try await storing { try await tokens.touch(token.id) }
        }
        return (token, isUsable)
    }
}
