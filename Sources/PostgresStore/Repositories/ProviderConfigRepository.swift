package import GatewayCore

/// Provider configs and the secrets that come and go with them.
package struct ProviderConfigRepository: Sendable {
    /// The store that an account gets when it needs one and has none.
    package static let defaultStoreName = "default_secrets_store"

    /// Marks the secrets that were made for a provider config and go with it.
    static let ownedSecretComment = "Made for a provider config"

    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    package func list(
        _ gateway: GatewayID, of account: AccountID, page: PageRequest
    ) async throws(PostgresError) -> Page<ProviderConfig> {
        let binds: [PostgresValue] = [.text(account.rawValue), .text(gateway.rawValue)]
        let count = try await pool.query(
            "SELECT count(*) AS total FROM provider_configs WHERE account_id = $1 AND gateway_id = $2", binds
        )
        let rows = try await pool.query(
            """
            SELECT * FROM provider_configs WHERE account_id = $1 AND gateway_id = $2
            ORDER BY created_at, id LIMIT $3 OFFSET $4
            """,
            binds + [.int(page.size), .int(page.offset)]
        )
        return Page(
            items: try rows.map { (row) throws(PostgresError) in try ProviderConfig(row) },
            total: try count.first?.int("total") ?? 0
        )
    }

    /// Stores a provider config, with its secret when the value came along.
    ///
    /// - Throws: `ProviderConfigRefusal` when it cannot be, `PostgresError` otherwise.
    package func insert(
        _ config: ProviderConfig, secret source: SecretSource, newStore: StoreID
    ) async throws -> ConfigurationWrite<ProviderConfig> {
        try await pool.write { transaction in
            let store = try await Self.store(of: config, newStore: newStore, mayCreate: source, transaction)
            let secret = try await Self.secret(source, in: store, of: config.account, transaction)
            let place: [PostgresValue] = [
                .text(config.account.rawValue), .text(config.gateway.rawValue), .text(config.provider.rawValue),
            ]
            if config.isDefault {
                _ = try await transaction.query(
                    """
                    UPDATE provider_configs SET default_config = false, modified_at = now()
                    WHERE account_id = $1 AND gateway_id = $2 AND provider_slug = $3 AND default_config
                    """,
                    place
                )
            }
            let rows = try await transaction.query(
                """
                INSERT INTO provider_configs (account_id, gateway_id, provider_slug, id, alias, default_config,
                    secret_id, secret_preview, rate_limit, rate_limit_period)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                ON CONFLICT (account_id, gateway_id, provider_slug, alias) DO NOTHING RETURNING *
                """,
                place + [
                    .text(config.id), .text(config.alias.rawValue), .bool(config.isDefault),
                    .text(secret.id.rawValue), .text(secret.preview), .int(config.rateLimit),
                    .int(config.rateLimitPeriodSeconds),
                ]
            )
            guard let stored = try rows.first.map(ProviderConfig.init) else { throw ProviderConfigRefusal.taken }
            return stored
        }
    }

    /// The gateway's store, else the account's first one, else a new one when a value has to be put somewhere.
    private static func store(
        of config: ProviderConfig, newStore: StoreID, mayCreate source: SecretSource,
        _ transaction: PostgresTransaction
    ) async throws -> StoreID? {
        let account = PostgresValue.text(config.account.rawValue)
        let gateways = try await transaction.query(
            "SELECT store_id FROM gateways WHERE account_id = $1 AND id = $2 FOR UPDATE",
            [account, .text(config.gateway.rawValue)]
        )
        guard let gateway = gateways.first else { throw ProviderConfigRefusal.noSuchGateway }
        if let named = try gateway.textOrNil("store_id"), !named.isEmpty {
            let stores = try await transaction.query(
                "SELECT id FROM secret_stores WHERE account_id = $1 AND id = $2", [account, .text(named)]
            )
            guard !stores.isEmpty else { throw ProviderConfigRefusal.noSuchStore }
            return StoreID(named)
        }
        let stores = try await transaction.query(
            """
            SELECT id FROM secret_stores WHERE account_id = $1 ORDER BY name <> $2, created_at, id LIMIT 1
            """,
            [account, .text(defaultStoreName)]
        )
        if let store = stores.first { return StoreID(try store.text("id")) }
        guard case .value = source else { return nil }
        let made = try await transaction.query(
            """
            INSERT INTO secret_stores (id, account_id, name) VALUES ($1, $2, $3)
            ON CONFLICT (account_id, name) DO UPDATE SET modified_at = now() RETURNING id
            """,
            [.text(newStore.rawValue), account, .text(defaultStoreName)]
        )
        return try made.first.map { StoreID(try $0.text("id")) }
    }

    private static func secret(
        _ source: SecretSource, in store: StoreID?, of account: AccountID, _ transaction: PostgresTransaction
    ) async throws -> (id: SecretID, preview: String) {
        let rows: PostgresRows
        switch source {
        case .value(let secret):
            guard let store else { throw ProviderConfigRefusal.noSuchStore }
            rows = try await transaction.query(
                """
                INSERT INTO secrets (id, store_id, name, scopes, envelope, preview, comment)
                VALUES ($1, $2, $3, $4, $5, $6, $7)
                ON CONFLICT (store_id, name) DO NOTHING RETURNING id, preview
                """,
                [
                    .text(secret.id.rawValue), .text(store.rawValue), .text(secret.name), .texts(secret.scopes),
                    .bytes(secret.envelope), .text(secret.preview), .text(ownedSecretComment),
                ]
            )
            if rows.isEmpty { throw ProviderConfigRefusal.taken }
        case .existing(let id):
            rows = try await transaction.query(
                """
                SELECT s.id, s.preview FROM secrets s JOIN secret_stores o ON o.id = s.store_id
                WHERE s.id = $1 AND o.account_id = $2 AND s.status = 'active' AND 'ai_gateway' = ANY (s.scopes)
                """,
                [.text(id.rawValue), .text(account.rawValue)]
            )
        case .named(let name):
            rows = try await transaction.query(
                """
                SELECT s.id, s.preview FROM secrets s JOIN secret_stores o ON o.id = s.store_id
                WHERE s.name = $1 AND o.account_id = $2 AND s.store_id = $3 AND s.status = 'active'
                    AND 'ai_gateway' = ANY (s.scopes)
                """,
                [.text(name), .text(account.rawValue), .text(store?.rawValue)]
            )
        }
        guard let row = rows.first else { throw ProviderConfigRefusal.noSuchSecret }
        return (SecretID(try row.text("id")), try row.text("preview"))
    }

    /// Gives the secret behind a provider config a new value; nil when there is no such config.
    ///
    /// - Parameter seal: seals the value for the secret whose id it is given.
    package func rotate(
        _ id: String, of gateway: GatewayID, in account: AccountID, preview: String,
        seal: (SecretID) throws -> [UInt8]
    ) async throws -> ConfigurationWrite<ProviderConfig>? {
        try await pool.transaction { transaction -> ConfigurationWrite<ProviderConfig>? in
            let found = try await transaction.query(
                """
                SELECT secret_id FROM provider_configs WHERE account_id = $1 AND gateway_id = $2 AND id = $3 FOR UPDATE
                """,
                [.text(account.rawValue), .text(gateway.rawValue), .text(id)]
            )
            guard let secret = try found.first.map({ SecretID(try $0.text("secret_id")) }) else { return nil }
            _ = try await transaction.query(
                "UPDATE secrets SET envelope = $2, preview = $3, modified_at = now() WHERE id = $1",
                [.text(secret.rawValue), .bytes(try seal(secret)), .text(preview)]
            )
            let rows = try await transaction.query(
                """
                UPDATE provider_configs SET secret_preview = $2, modified_at = now() WHERE secret_id = $1
                RETURNING *
                """,
                [.text(secret.rawValue), .text(preview)]
            )
            guard let config = try rows.map({ try ProviderConfig($0) }).first(where: { $0.id == id }) else {
                return nil
            }
            return ConfigurationWrite(value: config, version: try await transaction.configurationVersion())
        }
    }

    /// Removes a provider config, and its secret when that was made for it.
    package func delete(
        _ id: String, of gateway: GatewayID, in account: AccountID
    ) async throws -> ConfigurationWrite<ProviderConfig?> {
        try await pool.write { transaction in
            let rows = try await transaction.query(
                """
                DELETE FROM provider_configs WHERE account_id = $1 AND gateway_id = $2 AND id = $3 RETURNING *
                """,
                [.text(account.rawValue), .text(gateway.rawValue), .text(id)]
            )
            guard let config = try rows.first.map(ProviderConfig.init) else { return nil }
            try await transaction.deleteUnusedOwnedSecrets(of: account)
            return config
        }
    }
}

extension PostgresTransaction {
    /// Removes the secrets that were made for provider configs which no longer exist.
    func deleteUnusedOwnedSecrets(of account: AccountID) async throws(PostgresError) {
        _ = try await query(
            """
            DELETE FROM secrets s USING secret_stores o WHERE o.id = s.store_id AND o.account_id = $1
                AND s.comment = $2 AND NOT EXISTS (SELECT FROM provider_configs p WHERE p.secret_id = s.id)
            """,
            [.text(account.rawValue), .text(ProviderConfigRepository.ownedSecretComment)]
        )
    }
}

extension ProviderConfig {
    init(_ row: PostgresRow) throws(PostgresError) {
        self.init(
            id: try row.text("id"), account: AccountID(try row.text("account_id")),
            gateway: GatewayID(try row.text("gateway_id")), provider: ProviderID(try row.text("provider_slug")),
            alias: KeyAlias(try row.text("alias")), isDefault: try row.bool("default_config"),
            secret: SecretID(try row.text("secret_id")), secretPreview: try row.text("secret_preview"),
            rateLimit: try row.intOrNil("rate_limit"), rateLimitPeriodSeconds: try row.intOrNil("rate_limit_period"),
            modifiedAt: try row.instant("modified_at")
        )
    }
}
