package import GatewayCore

/// Provider configs and the secrets that come and go with them.
package struct ProviderConfigRepository: Sendable {
    /// What the secrets that were made for a provider config say about themselves.
    private static let ownedSecretComment = "Made for a provider config"

    static let unusedSecretsDeletion: StaticString = """
        DELETE FROM secrets s USING secret_stores o WHERE o.id = s.store_id AND o.account_id = $1
            AND s.owned AND NOT EXISTS (SELECT FROM provider_configs p WHERE p.secret_id = s.id)
        """

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
            let place = Self.place(of: config)
            if config.isDefault { try await transaction.clearDefault(beside: config) }
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

    /// Replaces what may be set on a provider config; nil when there is none with its id.
    ///
    /// - Parameter source: nil: it keeps its secret. One that was made for it goes when it gets another.
    /// - Throws: `ProviderConfigRefusal` when it cannot be, `PostgresError` otherwise.
    package func update(
        _ config: ProviderConfig, secret source: SecretSource?, newStore: StoreID
    ) async throws -> ConfigurationWrite<ProviderConfig>? {
        try await pool.transaction(.configuration) { transaction -> ConfigurationWrite<ProviderConfig>? in
            var secret: (id: SecretID, preview: String)?
            if let source {
                let store = try await Self.store(of: config, newStore: newStore, mayCreate: source, transaction)
                secret = try await Self.secret(source, in: store, of: config.account, transaction)
            }
            if config.isDefault { try await transaction.clearDefault(beside: config) }
            let rows = try await transaction.query(
                """
                UPDATE provider_configs SET default_config = $5, secret_id = coalesce($6, secret_id),
                    secret_preview = coalesce($7, secret_preview), rate_limit = $8, rate_limit_period = $9,
                    modified_at = now()
                WHERE account_id = $1 AND gateway_id = $2 AND provider_slug = $3 AND id = $4 RETURNING *
                """,
                Self.place(of: config) + [
                    .text(config.id), .bool(config.isDefault), .text(secret?.id.rawValue), .text(secret?.preview),
                    .int(config.rateLimit), .int(config.rateLimitPeriodSeconds),
                ]
            )
            guard let stored = try rows.first.map(ProviderConfig.init) else { return nil }
            if secret != nil { try await transaction.deleteUnusedOwnedSecrets(of: config.account) }
            return ConfigurationWrite(value: stored, version: try await transaction.configurationVersion())
        }
    }

    private static func place(of config: ProviderConfig) -> [PostgresValue] {
        [.text(config.account.rawValue), .text(config.gateway.rawValue), .text(config.provider.rawValue)]
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
        if let present = try await transaction.standardStore(of: config.account) { return present }
        guard case .value = source else { return nil }
        return try await transaction.makeStandardStore(newStore, of: config.account)
    }

    private static func secret(
        _ source: SecretSource, in store: StoreID?, of account: AccountID, _ transaction: PostgresTransaction
    ) async throws -> (id: SecretID, preview: String) {
        let rows: PostgresRows
        switch source {
        case .value(let secret):
            guard let store else { throw ProviderConfigRefusal.noSuchStore }
            do {
                var secret = secret
                secret.comment = ownedSecretComment
                let stored = try await transaction.insert(secret, in: store, .providerConfig, of: account)
                return (stored.id, secret.text.preview)
            } catch SecretStoreRefusal.secretNameTaken {
                throw ProviderConfigRefusal.taken
            }
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
    /// A secret that was deleted meanwhile is made again.
    ///
    /// - Parameters:
    ///   - newSecret: id of the secret that is made then.
    ///   - newStore: id of the store that is made when the account has none left.
    ///   - seal: seals the value for the secret whose id it is given.
    package func rotate(
        _ id: String, of gateway: GatewayID, in account: AccountID, newSecret: SecretID, newStore: StoreID,
        seal: (SecretID) throws -> SealedText
    ) async throws -> ConfigurationWrite<ProviderConfig>? {
        try await pool.transaction(.configuration) { transaction -> ConfigurationWrite<ProviderConfig>? in
            let found = try await transaction.query(
                """
                SELECT * FROM provider_configs WHERE account_id = $1 AND gateway_id = $2 AND id = $3 FOR UPDATE
                """,
                [.text(account.rawValue), .text(gateway.rawValue), .text(id)]
            )
            guard let present = try found.first.map(ProviderConfig.init) else { return nil }
            var text = try seal(present.secret)
            let updated = try await transaction.query(
                """
                UPDATE secrets s SET envelope = $3, kind = $4, preview = $5, modified_at = now()
                FROM secret_stores o WHERE s.id = $1 AND o.id = s.store_id AND o.account_id = $2 RETURNING s.id
                """,
                [
                    .text(present.secret.rawValue), .text(account.rawValue), .bytes(text.envelope),
                    .text(text.kind.rawValue), .text(text.preview),
                ]
            )
            var secret = present.secret
            if updated.isEmpty {
                text = try seal(newSecret)
                let source = SecretSource.value(
                    NewSecret(id: newSecret, name: present.secretName, scopes: ["ai_gateway"], text: text)
                )
                let store = try await Self.store(of: present, newStore: newStore, mayCreate: source, transaction)
                secret = try await Self.secret(source, in: store, of: account, transaction).id
            }
            try await transaction.showPreview(text.preview, of: secret)
            let rows = try await transaction.query(
                """
                UPDATE provider_configs SET secret_id = $2, secret_preview = $3, modified_at = now() WHERE id = $1
                RETURNING *
                """,
                [.text(id), .text(secret.rawValue), .text(text.preview)]
            )
            guard let config = try rows.first.map(ProviderConfig.init) else { return nil }
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
    /// Lets no other config of the gateway and the provider be the default one.
    fileprivate func clearDefault(beside config: ProviderConfig) async throws(PostgresError) {
        _ = try await query(
            """
            UPDATE provider_configs SET default_config = false, modified_at = now()
            WHERE account_id = $1 AND gateway_id = $2 AND provider_slug = $3 AND default_config AND id <> $4
            """,
            [
                .text(config.account.rawValue), .text(config.gateway.rawValue), .text(config.provider.rawValue),
                .text(config.id),
            ]
        )
    }

    /// Removes the secrets that were made for provider configs which no longer exist.
    ///
    /// Not where this transaction is a part of another one, whose later changes may use them again: that one does it at
    /// its end (`AccountConfigurationRepository`).
    func deleteUnusedOwnedSecrets(of account: AccountID) async throws(PostgresError) {
        guard standing == .whole else { return }
        _ = try await query(ProviderConfigRepository.unusedSecretsDeletion, [.text(account.rawValue)])
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
