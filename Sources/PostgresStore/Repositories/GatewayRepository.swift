package import GatewayCore

/// The table of gateways, one account at a time.
package struct GatewayRepository: Sendable {
    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    /// Gateways by id; `search` is a part of the id.
    package func list(
        _ account: AccountID, search: String?, page: PageRequest
    ) async throws(PostgresError) -> Page<Gateway> {
        let pattern = search.map { LogCondition.pattern(for: $0) } ?? "%"
        let count = try await pool.query(
            "SELECT count(*) AS total FROM gateways WHERE account_id = $1 AND id ILIKE $2",
            [.text(account.rawValue), .text(pattern)]
        )
        let rows = try await pool.query(
            "SELECT * FROM gateways WHERE account_id = $1 AND id ILIKE $2 ORDER BY created_at, id LIMIT $3 OFFSET $4",
            [.text(account.rawValue), .text(pattern), .int(page.size), .int(page.offset)]
        )
        return Page(
            items: try rows.map { (row) throws(PostgresError) in try Gateway(row) },
            total: try count.first?.int("total") ?? 0
        )
    }

    package func find(_ id: GatewayID, of account: AccountID) async throws(PostgresError) -> Gateway? {
        try await pool.query(
            "SELECT * FROM gateways WHERE account_id = $1 AND id = $2", [.text(account.rawValue), .text(id.rawValue)]
        ).first.map { (row) throws(PostgresError) in try Gateway(row) }
    }

    package func exists(_ id: GatewayID, of account: AccountID) async throws(PostgresError) -> Bool {
        try await !pool.query(
            "SELECT 1 FROM gateways WHERE account_id = $1 AND id = $2",
            [.text(account.rawValue), .text(id.rawValue)]
        ).isEmpty
    }

    /// The account has as many gateways as it may.
    package struct LimitReached: Error {}

    /// Makes a gateway; the value is nil when the id is taken.
    ///
    /// - Parameter limit: gateways that the account may have; nil: any number.
    /// - Throws: `LimitReached`, `PostgresError`.
    package func insert(
        _ id: GatewayID, of account: AccountID, _ settings: GatewaySettings, limit: Int? = nil
    ) async throws -> ConfigurationWrite<Gateway?> {
        try await pool.write { transaction in
            if let limit {
                // Callers of one account take turns, so that none slips past the limit.
                try await transaction.lockAccount(account)
                let present = try await transaction.query(
                    "SELECT count(*) AS total FROM gateways WHERE account_id = $1", [.text(account.rawValue)]
                )
                if try present.first?.int("total") ?? 0 >= limit { throw LimitReached() }
            }
            let rows = try await transaction.query(
                """
                INSERT INTO gateways (account_id, id, cache_invalidate_on_update, cache_ttl, collect_logs,
                    rate_limiting_interval, rate_limiting_limit, rate_limiting_technique, authentication, byok_only,
                    log_management, log_management_strategy, log_classification, logpush, logpush_public_key,
                    retry_max_attempts, retry_delay, retry_backoff, dlp, guardrails, otel, spend_limits, stripe,
                    store_id, workers_ai_billing_mode, zdr, stream_idle_timeout)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
                    $22, $23, $24, $25, $26, $27)
                ON CONFLICT (account_id, id) DO NOTHING RETURNING *
                """,
                [.text(account.rawValue), .text(id.rawValue)] + settings.values
            )
            return try rows.first.map(Gateway.init)
        }
    }

    /// Replaces a gateway's settings by what `change` makes of them; nil when there is no such gateway.
    ///
    /// Stored answers are forgotten when the settings before or after the change say so (`cache_invalidate_on_update`).
    package func update(
        _ id: GatewayID, of account: AccountID, _ change: (GatewaySettings) throws -> GatewaySettings
    ) async throws -> ConfigurationWrite<Gateway>? {
        let written = try await pool.transaction(.configuration) { transaction -> ConfigurationWrite<Gateway>? in
            let found = try await transaction.query(
                "SELECT * FROM gateways WHERE account_id = $1 AND id = $2 FOR UPDATE",
                [.text(account.rawValue), .text(id.rawValue)]
            )
            guard let current = try found.first.map(Gateway.init) else { return nil }
            let settings = try change(current.settings)
            let rows = try await transaction.query(
                """
                UPDATE gateways SET cache_invalidate_on_update = $3, cache_ttl = $4, collect_logs = $5,
                    rate_limiting_interval = $6, rate_limiting_limit = $7, rate_limiting_technique = $8,
                    authentication = $9, byok_only = $10, log_management = $11, log_management_strategy = $12,
                    log_classification = $13, logpush = $14, logpush_public_key = $15, retry_max_attempts = $16,
                    retry_delay = $17, retry_backoff = $18, dlp = $19, guardrails = $20, otel = $21,
                    spend_limits = $22, stripe = $23, store_id = $24, workers_ai_billing_mode = $25, zdr = $26,
                    stream_idle_timeout = $27, modified_at = now(),
                    cache_epoch = CASE WHEN cache_invalidate_on_update OR $3 THEN nextval('cache_epochs')
                        ELSE cache_epoch END
                WHERE account_id = $1 AND id = $2 RETURNING *
                """,
                [.text(account.rawValue), .text(id.rawValue)] + settings.values
            )
            guard let gateway = try rows.first.map(Gateway.init) else { return nil }
            return ConfigurationWrite(value: gateway, version: try await transaction.configurationVersion())
        }
        return written
    }

    /// Removes a gateway, its provider configs and its logs; the value is nil when there was none.
    package func delete(
        _ id: GatewayID, of account: AccountID
    ) async throws -> ConfigurationWrite<Gateway?> {
        try await pool.write { transaction in
            let binds: [PostgresValue] = [.text(account.rawValue), .text(id.rawValue)]
            let rows = try await transaction.query(
                "DELETE FROM gateways WHERE account_id = $1 AND id = $2 RETURNING *", binds
            )
            guard let gateway = try rows.first.map(Gateway.init) else { return nil }
            // Its log may be long: control takes it away piece by piece, and nobody sees it meanwhile.
            _ = try await transaction.query(
                "INSERT INTO log_deletions (account_id, gateway_id) VALUES ($1, $2)", binds
            )
            try await transaction.deleteUnusedOwnedSecrets(of: account)
            return gateway
        }
    }
}

extension GatewaySettings {
    /// In the order of the statements above, from `$3` on.
    fileprivate var values: [PostgresValue] {
        [
            .bool(cacheInvalidateOnUpdate), .int(cacheTTL), .bool(collectLogs), .int(rateLimitingInterval),
            .int(rateLimitingLimit), .text(rateLimitingTechnique?.rawValue), .bool(authentication), .bool(byokOnly),
            .int(logManagement), .text(logManagementStrategy), .bool(logClassification), .bool(logpush),
            .text(logpushPublicKey), .int(retryMaxAttempts), .int(retryDelay), .text(retryBackoff?.rawValue),
            .json(dlp), .json(guardrails), .json(otel), .json(spendLimits), .json(stripe), .text(storeID),
            .text(workersAIBillingMode), .bool(zdr), .int(streamIdleTimeout),
        ]
    }
}

extension Gateway {
    init(_ row: PostgresRow) throws(PostgresError) {
        var settings = GatewaySettings(
            cacheInvalidateOnUpdate: try row.bool("cache_invalidate_on_update"),
            cacheTTL: try row.intOrNil("cache_ttl"),
            collectLogs: try row.bool("collect_logs"),
            rateLimitingInterval: try row.intOrNil("rate_limiting_interval"),
            rateLimitingLimit: try row.intOrNil("rate_limiting_limit"),
            rateLimitingTechnique: try row.textOrNil("rate_limiting_technique")
                .flatMap(RateLimitTechnique.init(rawValue:))
        )
        settings.authentication = try row.bool("authentication")
        settings.byokOnly = try row.bool("byok_only")
        settings.logManagement = try row.intOrNil("log_management")
        settings.logManagementStrategy = try row.textOrNil("log_management_strategy")
        settings.logClassification = try row.bool("log_classification")
        settings.logpush = try row.bool("logpush")
        settings.logpushPublicKey = try row.textOrNil("logpush_public_key")
        settings.retryMaxAttempts = try row.intOrNil("retry_max_attempts")
        settings.retryDelay = try row.intOrNil("retry_delay")
        settings.retryBackoff = try row.textOrNil("retry_backoff").flatMap(RetryBackoff.init(rawValue:))
        settings.dlp = try row.textOrNil("dlp")
        settings.guardrails = try row.textOrNil("guardrails")
        settings.otel = try row.textOrNil("otel")
        settings.spendLimits = try row.textOrNil("spend_limits")
        settings.stripe = try row.textOrNil("stripe")
        settings.storeID = try row.textOrNil("store_id")
        settings.workersAIBillingMode = try row.text("workers_ai_billing_mode")
        settings.zdr = try row.bool("zdr")
        settings.streamIdleTimeout = try row.intOrNil("stream_idle_timeout")
        self.init(
            account: AccountID(try row.text("account_id")), id: GatewayID(try row.text("id")), settings: settings,
            cacheEpoch: try row.int("cache_epoch"), createdAt: try row.instant("created_at"),
            modifiedAt: try row.instant("modified_at")
        )
    }
}
