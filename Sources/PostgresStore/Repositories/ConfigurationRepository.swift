package import GatewayCore

/// Everything that makes up a snapshot, read as one state of the database.
package struct ConfigurationRepository: Sendable {
    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    /// The version of the configuration as it is now.
    package func version() async throws(PostgresError) -> UInt64 {
        guard let row = try await pool.query("SELECT version FROM config_version").first else {
            throw PostgresError(.unexpectedResult, "config_version is empty")
        }
        return UInt64(clamping: try row.int("version"))
    }

    /// What a snapshot is made of: all that is stored here, and the secrets whose values are elsewhere.
    package struct Content: Sendable {
        /// Complete but for the values of `references`.
        package var snapshot: ConfigSnapshot
        /// Their envelopes hold references, which must never reach a worker in place of a value.
        package var references: [SealedSecret]
        /// Those of `references` that belong to a provider config: their names are for the process log only.
        package var ownedReferences: Set<SecretID> = []

        /// The values of `references`, as workers are given them: no request can call an owned one by its name.
        package func callable(_ values: [SealedSecret]) -> [SealedSecret] {
            values.map { value in
                var value = value
                if ownedReferences.contains(value.id) { value.name = "" }
                return value
            }
        }
    }

    /// The configuration without secrets whose values are elsewhere.
    package func snapshot() async throws -> ConfigSnapshot { try await content().snapshot }

    /// Reads accounts, gateways, tokens in use, provider keys, secrets and own providers in one transaction.
    ///
    /// Of secrets, all that are active and in the scope `ai_gateway`; of one name in several stores of an account, the
    /// default store's first (data-plane §3.3, reference names). Those that were made for a provider config have no name
    /// there: they are used by that config alone.
    package func content() async throws -> Content {
        try await pool.transaction(.snapshot) { transaction in
            var snapshot = ConfigSnapshot(version: try await transaction.configurationVersion())
            snapshot.accounts = try await transaction.query("SELECT id FROM accounts ORDER BY id")
                .map { AccountID(try $0.text("id")) }
            snapshot.gateways = try await transaction.query("SELECT * FROM gateways ORDER BY account_id, id")
                .map { try Gateway($0).plan }
            snapshot.tokens = try await transaction.query(
                """
                SELECT id, token_hash, account_id, permissions, not_before, expires_at FROM api_tokens
                WHERE revoked_at IS NULL AND NOT disabled ORDER BY id
                """
            ).map { row in
                TokenGrant(
                    id: TokenID(try row.text("id")), hash: try row.bytes("token_hash"),
                    account: AccountID(try row.text("account_id")),
                    permissions: Permissions(words: try row.texts("permissions")) ?? [],
                    notBefore: try row.instantOrNil("not_before"), expiresAt: try row.instantOrNil("expires_at")
                )
            }
            snapshot.providerKeys = try await transaction.query(
                "SELECT * FROM provider_configs ORDER BY account_id, gateway_id, provider_slug, created_at, id"
            ).map { try ProviderConfig($0).key }
            var references: [SealedSecret] = []
            var ownedReferences: Set<SecretID> = []
            let secrets = try await transaction.query(
                """
                SELECT s.id, o.account_id, s.name, s.envelope, s.kind, s.owned FROM secrets s
                JOIN secret_stores o ON o.id = s.store_id
                WHERE s.status = 'active' AND 'ai_gateway' = ANY (s.scopes)
                ORDER BY o.name <> $1, o.created_at, o.id, s.id
                """,
                [.text(SecretStoreRepository.defaultName)]
            )
            for row in secrets {
                let isOwned = try row.bool("owned")
                var secret = SealedSecret(
                    id: SecretID(try row.text("id")), account: AccountID(try row.text("account_id")),
                    name: try row.text("name"), envelope: try row.bytes("envelope")
                )
                switch SecretKind(rawValue: try row.text("kind")) {
                case .value:
                    if isOwned { secret.name = "" }
                    snapshot.secrets.append(secret)
                case .reference, nil:
                    if isOwned { ownedReferences.insert(secret.id) }
                    references.append(secret)
                }
            }
            let costs = try await transaction.costRules()
            snapshot.customProviders = try await transaction.query(
                "SELECT * FROM custom_providers ORDER BY account_id, slug"
            ).map { row in
                let provider = try AccountProvider(row)
                var plan = provider.plan
                plan.costs = costs[provider.id] ?? []
                return plan
            }
            return Content(snapshot: snapshot, references: references, ownedReferences: ownedReferences)
        }
    }
}

extension Gateway {
    /// What the data plane acts on.
    var plan: GatewayPlan {
        var plan = GatewayPlan(account: account, id: id)
        plan.authentication = settings.authentication
        plan.collectLogs = settings.collectLogs
        plan.cacheTTLSeconds = settings.cacheTTL ?? 0
        plan.cacheEpoch = UInt64(clamping: cacheEpoch)
        let interval = settings.rateLimitingInterval ?? 0
        let limit = settings.rateLimitingLimit ?? 0
        // Half of a limit is none.
        plan.rateLimit = interval > 0 ? limit : 0
        plan.rateLimitIntervalSeconds = limit > 0 ? interval : 0
        plan.rateLimitTechnique = settings.rateLimitingTechnique ?? .fixed
        plan.retryMaxAttempts = settings.retryMaxAttempts
        plan.retryDelayMilliseconds = settings.retryDelay
        plan.retryBackoff = settings.retryBackoff
        plan.byokOnly = settings.byokOnly
        plan.zeroDataRetention = settings.zdr
        plan.streamIdleTimeoutMilliseconds = settings.streamIdleTimeout
        return plan
    }
}

extension ProviderConfig {
    fileprivate var key: ProviderKey {
        var key = ProviderKey(
            account: account, gateway: gateway, provider: provider, alias: alias, isDefault: isDefault, secret: secret
        )
        key.rateLimit = rateLimit
        key.rateLimitPeriodSeconds = rateLimitPeriodSeconds
        return key
    }
}
