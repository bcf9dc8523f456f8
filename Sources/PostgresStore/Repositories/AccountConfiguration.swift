package import GatewayCore

/// Everything of an account that a file of declarations can speak of, read at once.
package struct AccountConfiguration: Sendable {
    /// A secret without its value.
    package struct KnownSecret: Sendable, Equatable {
        package var id: SecretID
        package var store: StoreID
        package var name: String
        package var kind: SecretKind
        /// Whether it was made for one provider config, with which it goes.
        package var isOwned: Bool
        /// Whether calls of providers may use it: active and in the scope `ai_gateway`.
        package var isUsable: Bool
        /// The sealed place of a value that is elsewhere, for references that are owned.
        package var sealedReference: [UInt8]?
    }

    /// The account's default store first.
    package var stores: [SecretStore] = []
    package var secrets: [KnownSecret] = []
    package var gateways: [Gateway] = []
    package var providerConfigs: [ProviderConfig] = []
    package var routes: [DynamicRoute] = []
    package var customProviders: [AccountProvider] = []
    package var customCosts: [CustomCost] = []
}

/// Reads an account's configuration whole.
package struct AccountConfigurationRepository: Sendable {
    private let pool: PostgresPool

    /// - Parameter pool: one that joins a transaction, so that all parts are of one state.
    package init(_ pool: PostgresPool) { self.pool = pool }

    /// Removes the secrets that were made for provider configs which no longer exist: the end of a transaction of many
    /// changes.
    package func removeUnusedSecrets(of account: AccountID) async throws(PostgresError) {
        _ = try await pool.query(ProviderConfigRepository.unusedSecretsDeletion, [.text(account.rawValue)])
    }

    package func exists(_ account: AccountID) async throws(PostgresError) -> Bool {
        try await !pool.query("SELECT FROM accounts WHERE id = $1", [.text(account.rawValue)]).isEmpty
    }

    /// The configuration, each kind in an order that does not depend on when its objects were made.
    package func read(_ account: AccountID) async throws(PostgresError) -> AccountConfiguration {
        let place: [PostgresValue] = [.text(account.rawValue)]
        var all = AccountConfiguration()
        all.stores = try await pool.query(
            "SELECT * FROM secret_stores WHERE account_id = $1 ORDER BY name <> $2, created_at, id",
            place + [.text(SecretStoreRepository.defaultName)]
        ).map { (row) throws(PostgresError) in try SecretStore(row) }
        all.secrets = try await pool.query(
            """
            SELECT s.id, s.store_id, s.name, s.kind, s.owned,
                s.status = 'active' AND 'ai_gateway' = ANY (s.scopes) AS usable,
                CASE WHEN s.owned AND s.kind = 'reference' THEN s.envelope END AS sealed_reference
            FROM secrets s JOIN secret_stores o ON o.id = s.store_id WHERE o.account_id = $1 ORDER BY s.name, s.id
            """,
            place
        ).map { (row) throws(PostgresError) in try AccountConfiguration.KnownSecret(row) }
        all.gateways = try await pool.query("SELECT * FROM gateways WHERE account_id = $1 ORDER BY id", place)
            .map { (row) throws(PostgresError) in try Gateway(row) }
        all.providerConfigs = try await pool.query(
            "SELECT * FROM provider_configs WHERE account_id = $1 ORDER BY gateway_id, provider_slug, alias", place
        ).map { (row) throws(PostgresError) in try ProviderConfig(row) }
        all.routes = try await DynamicRouteRepository(pool).all(of: account)
        all.customProviders = try await pool.query(
            "SELECT * FROM custom_providers WHERE account_id = $1 ORDER BY slug", place
        ).map { (row) throws(PostgresError) in try AccountProvider(row) }
        all.customCosts = try await pool.query(
            "SELECT * FROM custom_costs WHERE account_id = $1 ORDER BY provider_id, model, model_rule, id", place
        ).map { (row) throws(PostgresError) in try CustomCost(row) }
        return all
    }
}

extension AccountConfiguration.KnownSecret {
    fileprivate init(_ row: PostgresRow) throws(PostgresError) {
        self.init(
            id: SecretID(try row.text("id")), store: StoreID(try row.text("store_id")), name: try row.text("name"),
            kind: SecretKind(rawValue: try row.text("kind")) ?? .value, isOwned: try row.bool("owned"),
            isUsable: try row.bool("usable"), sealedReference: try row.bytesOrNil("sealed_reference")
        )
    }
}
