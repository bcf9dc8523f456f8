package import GatewayCore

/// Accounts and their API tokens.
package struct TokenRepository: Sendable {
    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    /// Makes sure that an account exists.
    package func ensureAccount(_ account: AccountID) async throws(PostgresError) {
        _ = try await pool.query(
            "INSERT INTO accounts (id) VALUES ($1) ON CONFLICT (id) DO NOTHING", [.text(account.rawValue)]
        )
    }

    package func accountExists(_ account: AccountID) async throws(PostgresError) -> Bool {
        try await !pool.query("SELECT 1 FROM accounts WHERE id = $1", [.text(account.rawValue)]).isEmpty
    }

    /// Stores a token under its digest; creates the account when there is none.
    package func insert(
        id: TokenID, hash: [UInt8], account: AccountID, name: String, permissions: Permissions, expiresAt: Instant?
    ) async throws -> ConfigurationWrite<APIToken?> {
        try await pool.write { transaction in
            _ = try await transaction.query(
                "INSERT INTO accounts (id) VALUES ($1) ON CONFLICT (id) DO NOTHING", [.text(account.rawValue)]
            )
            let rows = try await transaction.query(
                """
                INSERT INTO api_tokens (id, account_id, name, token_hash, permissions, expires_at)
                VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (token_hash) DO NOTHING RETURNING *
                """,
                [
                    .text(id.rawValue), .text(account.rawValue), .text(name), .bytes(hash), .texts(permissions.words),
                    .instant(expiresAt),
                ]
            )
            return try rows.first.map(APIToken.init)
        }
    }

    /// The token whose digest is `hash`, usable or not.
    package func find(hash: [UInt8]) async throws(PostgresError) -> APIToken? {
        try await pool.query("SELECT * FROM api_tokens WHERE token_hash = $1", [.bytes(hash)])
            .first.map { (row) throws(PostgresError) in try APIToken(row) }
    }

    /// Tokens by age; of all accounts when none is given.
    package func list(_ account: AccountID?) async throws(PostgresError) -> [APIToken] {
        try await pool.query(
            "SELECT * FROM api_tokens WHERE $1::text IS NULL OR account_id = $1 ORDER BY created_at, id",
            [.text(account?.rawValue)]
        ).map { (row) throws(PostgresError) in try APIToken(row) }
    }

    /// Takes a token out of use; the value is false when there is no such token in use.
    package func revoke(_ id: TokenID, of account: AccountID?) async throws -> ConfigurationWrite<Bool> {
        try await pool.write { transaction in
            try await transaction.query(
                """
                UPDATE api_tokens SET revoked_at = now(), modified_at = now()
                WHERE id = $1 AND ($2::text IS NULL OR account_id = $2) AND revoked_at IS NULL RETURNING id
                """,
                [.text(id.rawValue), .text(account?.rawValue)]
            ).isEmpty == false
        }
    }

    /// Notes that a token was used.
    package func touch(_ id: TokenID) async throws(PostgresError) {
        _ = try await pool.query("UPDATE api_tokens SET last_used_at = now() WHERE id = $1", [.text(id.rawValue)])
    }
}

extension APIToken {
    init(_ row: PostgresRow) throws(PostgresError) {
        guard let permissions = Permissions(words: try row.texts("permissions")) else {
            throw PostgresError(.unexpectedResult, "column permissions has an unexpected form")
        }
        self.init(
            id: TokenID(try row.text("id")), account: AccountID(try row.text("account_id")),
            name: try row.text("name"), permissions: permissions, createdAt: try row.instant("created_at"),
            expiresAt: try row.instantOrNil("expires_at"), revokedAt: try row.instantOrNil("revoked_at"),
            lastUsedAt: try row.instantOrNil("last_used_at")
        )
    }
}
