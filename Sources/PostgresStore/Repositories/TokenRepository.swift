package import GatewayCore

/// What a token is told to be, by whoever makes or changes it.
package struct TokenTerms: Sendable, Equatable {
    package var name: String
    package var permissions: Permissions
    /// When it starts to count; nil: at once.
    package var notBefore: Instant?
    /// Nil: never.
    package var expiresAt: Instant?
    package var isDisabled = false

    package init(name: String, permissions: Permissions, notBefore: Instant? = nil, expiresAt: Instant? = nil) {
        self.name = name
        self.permissions = permissions
        self.notBefore = notBefore
        self.expiresAt = expiresAt
    }
}

/// Accounts and their API tokens.
package struct TokenRepository: Sendable {
    /// Why a token was not stored.
    package enum Refusal: Error, Sendable, Equatable {
        /// The account has as many tokens as it may have.
        case tokensExceeded
    }

    /// Whether a list shows tokens whose time has passed.
    package enum Expired: Sendable { case included, left }

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
    ///
    /// The value is nil when the id or the digest is taken, by a token that was revoked included.
    ///
    /// - Parameter limit: tokens that the account may have, revoked ones not counted; nil: any number.
    /// - Throws: `Refusal`.
    package func insert(
        id: TokenID, hash: [UInt8], account: AccountID, _ terms: TokenTerms, limit: Int?
    ) async throws -> ConfigurationWrite<APIToken?> {
        try await pool.write { transaction in
            // Raises the version whether there is such an account or not, so two that are made at once are counted one
            // after the other.
            _ = try await transaction.query(
                "INSERT INTO accounts (id) VALUES ($1) ON CONFLICT (id) DO NOTHING", [.text(account.rawValue)]
            )
            if let limit {
                let count = try await transaction.query(
                    "SELECT count(*) AS total FROM api_tokens WHERE account_id = $1 AND revoked_at IS NULL",
                    [.text(account.rawValue)]
                )
                if try count.first?.int("total") ?? 0 >= limit { throw Refusal.tokensExceeded }
            }
            let rows = try await transaction.query(
                """
                INSERT INTO api_tokens (
                    id, account_id, token_hash, name, permissions, not_before, expires_at, disabled
                ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING *
                """,
                [.text(id.rawValue), .text(account.rawValue), .bytes(hash)] + terms.values
            )
            return try rows.first.map(APIToken.init)
        }
    }

    /// The token whose digest is `hash`, usable or not.
    package func find(hash: [UInt8]) async throws(PostgresError) -> APIToken? {
        try await pool.query("SELECT * FROM api_tokens WHERE token_hash = $1", [.bytes(hash)])
            .first.map { (row) throws(PostgresError) in try APIToken(row) }
    }

    /// A token that was not revoked.
    package func find(_ id: TokenID, of account: AccountID) async throws(PostgresError) -> APIToken? {
        try await pool.query(
            "SELECT * FROM api_tokens WHERE id = $1 AND account_id = $2 AND revoked_at IS NULL",
            [.text(id.rawValue), .text(account.rawValue)]
        ).first.map { (row) throws(PostgresError) in try APIToken(row) }
    }

    /// Tokens by age, revoked ones included; of all accounts when none is given.
    package func list(_ account: AccountID?) async throws(PostgresError) -> [APIToken] {
        try await pool.query(
            "SELECT * FROM api_tokens WHERE $1::text IS NULL OR account_id = $1 ORDER BY created_at, id",
            [.text(account?.rawValue)]
        ).map { (row) throws(PostgresError) in try APIToken(row) }
    }

    /// One page of an account's tokens by age, without revoked ones.
    package func list(
        of account: AccountID, _ expired: Expired, direction: SortDirection, page: PageRequest
    ) async throws -> Page<APIToken> {
        var condition = PostgresFragment("account_id = ")
        condition.append(value: .text(account.rawValue))
        condition.append(" AND revoked_at IS NULL")
        if expired == .left { condition.append(" AND (expires_at IS NULL OR expires_at > now())") }
        var total = PostgresQuery("SELECT count(*) AS total FROM api_tokens WHERE ")
        total.append(condition)
        var list = PostgresQuery("SELECT * FROM api_tokens WHERE ")
        list.append(condition)
        list.append(" ORDER BY created_at ")
        list.append(direction.sql)
        list.append(", id ")
        list.append(direction.sql)
        list.append(" LIMIT ", value: .int(page.size), " OFFSET ")
        list.append(value: .int(page.offset))
        return try await pool.transaction(.snapshot) { [total, list] transaction in
            let count = try await transaction.query(total)
            let rows = try await transaction.query(list)
            return Page(items: try rows.map(APIToken.init), total: try count.first?.int("total") ?? 0)
        }
    }

    /// Gives a token other terms, which `change` makes of it; nil when there is none that was not revoked.
    package func update(
        _ id: TokenID, of account: AccountID, _ change: (APIToken) throws -> TokenTerms
    ) async throws -> ConfigurationWrite<APIToken>? {
        try await pool.transaction(.configuration) { transaction -> ConfigurationWrite<APIToken>? in
            let binds: [PostgresValue] = [.text(id.rawValue), .text(account.rawValue)]
            let found = try await transaction.query(
                "SELECT * FROM api_tokens WHERE id = $1 AND account_id = $2 AND revoked_at IS NULL FOR UPDATE", binds
            )
            guard let current = try found.first.map(APIToken.init) else { return nil }
            let rows = try await transaction.query(
                """
                UPDATE api_tokens SET name = $3, permissions = $4, not_before = $5, expires_at = $6, disabled = $7,
                    modified_at = now()
                WHERE id = $1 AND account_id = $2 RETURNING *
                """,
                binds + (try change(current)).values
            )
            guard let token = try rows.first.map(APIToken.init) else { return nil }
            return ConfigurationWrite(value: token, version: try await transaction.configurationVersion())
        }
    }

    /// Gives a token another text; the value is false when there is none that was not revoked.
    package func roll(
        _ id: TokenID, of account: AccountID, hash: [UInt8]
    ) async throws -> ConfigurationWrite<Bool> {
        try await pool.write { transaction in
            try await transaction.query(
                """
                UPDATE api_tokens SET token_hash = $3, modified_at = now()
                WHERE id = $1 AND account_id = $2 AND revoked_at IS NULL RETURNING id
                """,
                [.text(id.rawValue), .text(account.rawValue), .bytes(hash)]
            ).isEmpty == false
        }
    }

    /// Takes a token out of use for ever; the value is false when that was done before or there is no such token.
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

extension TokenTerms {
    /// In the order of the statements above.
    fileprivate var values: [PostgresValue] {
        [.text(name), .texts(permissions.words), .instant(notBefore), .instant(expiresAt), .bool(isDisabled)]
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
            modifiedAt: try row.instant("modified_at"), notBefore: try row.instantOrNil("not_before"),
            expiresAt: try row.instantOrNil("expires_at"), isDisabled: try row.bool("disabled"),
            revokedAt: try row.instantOrNil("revoked_at"), lastUsedAt: try row.instantOrNil("last_used_at")
        )
    }
}
