package import GatewayCore

/// Custom costs, one account at a time.
package struct CustomCostRepository: Sendable {
    /// Which costs a list shows; nil stands for all.
    package struct Selection: Sendable {
        package var isEnabled: Bool?
        package var provider: String?
        package var modelRule: ModelRule?
        package var costType: String?
        /// A part of the model or of who made it.
        package var search: String?

        package init() {}
    }

    /// The account has no such provider.
    package struct NoSuchProvider: Error, Sendable {}

    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    package func list(
        of account: AccountID, _ selection: Selection, page: PageRequest
    ) async throws(PostgresError) -> Page<CustomCost> {
        let pattern = selection.search.map { LogCondition.pattern(for: $0) }
        let binds: [PostgresValue] = [
            .text(account.rawValue), selection.isEnabled.map { .bool($0) } ?? .null, .text(selection.provider),
            .text(selection.modelRule?.rawValue), .text(selection.costType), .text(pattern),
        ]
        let rows = try await pool.query(
            """
            SELECT *, count(*) OVER () AS total FROM custom_costs
            WHERE account_id = $1 AND ($2::boolean IS NULL OR enable = $2) AND ($3::text IS NULL OR provider_id = $3)
                AND ($4::text IS NULL OR model_rule = $4) AND ($5::text IS NULL OR cost_type = $5)
                AND ($6::text IS NULL OR model ILIKE $6 OR changed_by ILIKE $6)
            ORDER BY created_at, id LIMIT $7 OFFSET $8
            """,
            binds + [.int(page.size), .int(page.offset)]
        )
        if let row = rows.first {
            return Page(
                items: try rows.map { (row) throws(PostgresError) in try CustomCost(row) }, total: try row.int("total")
            )
        }
        let count = try await pool.query(
            """
            SELECT count(*) AS total FROM custom_costs
            WHERE account_id = $1 AND ($2::boolean IS NULL OR enable = $2) AND ($3::text IS NULL OR provider_id = $3)
                AND ($4::text IS NULL OR model_rule = $4) AND ($5::text IS NULL OR cost_type = $5)
                AND ($6::text IS NULL OR model ILIKE $6 OR changed_by ILIKE $6)
            """,
            binds
        )
        return Page(items: [], total: try count.first?.int("total") ?? 0)
    }

    package func find(_ id: String, of account: AccountID) async throws(PostgresError) -> CustomCost? {
        try await pool.query(
            "SELECT * FROM custom_costs WHERE account_id = $1 AND id = $2", [.text(account.rawValue), .text(id)]
        ).first.map { (row) throws(PostgresError) in try CustomCost(row) }
    }

    /// Stores a cost; throws `NoSuchProvider` when it is for a provider that the account does not have.
    package func insert(
        _ id: String, of account: AccountID, _ settings: CustomCostSettings
    ) async throws -> ConfigurationWrite<CustomCost> {
        try await pool.write { transaction in
            try await transaction.lockProvider(settings.provider, of: account)
            let rows = try await transaction.query(
                """
                INSERT INTO custom_costs (account_id, id, provider_id, model, model_rule, cost_in, cost_out, cost_type,
                    token_pricing, enable, weight, changed_by)
                VALUES ($1, $2, $3, $4, $5, $6::text::numeric, $7::text::numeric, $8, $9::text::json, $10, $11, $12)
                RETURNING *
                """,
                [.text(account.rawValue), .text(id)] + settings.values
            )
            guard let cost = try rows.first.map(CustomCost.init) else {
                throw PostgresError(.unexpectedResult, "no row of a new custom cost")
            }
            return cost
        }
    }

    /// Replaces a cost by what `change` makes of it; nil when there is none.
    package func update(
        _ id: String, of account: AccountID, _ change: (CustomCostSettings) throws -> CustomCostSettings
    ) async throws -> ConfigurationWrite<CustomCost>? {
        try await pool.transaction(.configuration) { transaction -> ConfigurationWrite<CustomCost>? in
            let place: [PostgresValue] = [.text(account.rawValue), .text(id)]
            let found = try await transaction.query(
                "SELECT * FROM custom_costs WHERE account_id = $1 AND id = $2 FOR UPDATE", place
            )
            guard let current = try found.first.map(CustomCost.init) else { return nil }
            let settings = try change(current.settings)
            try await transaction.lockProvider(settings.provider, of: account)
            let rows = try await transaction.query(
                """
                UPDATE custom_costs SET provider_id = $3, model = $4, model_rule = $5, cost_in = $6::text::numeric,
                    cost_out = $7::text::numeric, cost_type = $8, token_pricing = $9::text::json, enable = $10,
                    weight = $11, changed_by = $12, modified_at = now()
                WHERE account_id = $1 AND id = $2 RETURNING *
                """,
                place + settings.values
            )
            guard let cost = try rows.first.map(CustomCost.init) else { return nil }
            return ConfigurationWrite(value: cost, version: try await transaction.configurationVersion())
        }
    }

    package func delete(_ id: String, of account: AccountID) async throws -> ConfigurationWrite<CustomCost?> {
        try await pool.write { transaction in
            try await transaction.query(
                "DELETE FROM custom_costs WHERE account_id = $1 AND id = $2 RETURNING *",
                [.text(account.rawValue), .text(id)]
            ).first.map(CustomCost.init)
        }
    }
}

extension PostgresTransaction {
    fileprivate func lockProvider(_ id: String, of account: AccountID) async throws {
        let known = try await query(
            "SELECT FROM custom_providers WHERE account_id = $1 AND id = $2 FOR KEY SHARE",
            [.text(account.rawValue), .text(id)]
        )
        if known.isEmpty { throw CustomCostRepository.NoSuchProvider() }
    }
}

extension PostgresTransaction {
    /// The costs in use by provider, in the order in which they are tried: the heaviest first, then the most exact.
    func costRules() async throws -> [String: [CustomCostRule]] {
        // One row for each rate of a cost.
        let rows = try await query(
            """
            SELECT c.id, c.provider_id, c.model, c.model_rule, rate.name, rate.value FROM custom_costs c
            CROSS JOIN LATERAL (
                VALUES ('cost_in', c.cost_in::text), ('cost_out', c.cost_out::text)
                UNION ALL SELECT * FROM json_each_text(
                    CASE WHEN json_typeof(c.token_pricing) = 'object' THEN c.token_pricing ELSE '{}' END
                )
            ) AS rate (name, value)
            WHERE c.enable AND c.cost_type = 'tokens'
            ORDER BY c.provider_id, coalesce(c.weight, 0) DESC,
                array_position('{equals,starts-with,contains}'::text[], c.model_rule), length(c.model) DESC,
                c.created_at DESC, c.id
            """
        )
        var rules: [String: [CustomCostRule]] = [:]
        var index = rows.startIndex
        while index < rows.endIndex {
            let row = rows[index]
            let id = try row.text("id")
            var given: [String: PicoDecimal] = [:]
            while index < rows.endIndex, try rows[index].text("id") == id {
                given[try rows[index].text("name")] = try rows[index].textOrNil("value")
                    .flatMap { PicoDecimal($0.utf8) }
                index += 1
            }
            rules[try row.text("provider_id"), default: []].append(
                CustomCostRule(
                    model: try row.text("model"), rule: ModelRule(rawValue: try row.text("model_rule")) ?? .equals,
                    rates: CustomCost.rates(given)
                )
            )
        }
        return rules
    }
}

extension CustomCost {
    /// Rates as prices have them: dollars per token become dollars per million.
    fileprivate static func rates(_ given: [String: PicoDecimal]) -> PriceRates {
        func perMillion(_ names: String...) -> PicoDecimal? {
            guard let rate = names.lazy.compactMap({ given[$0] }).first else { return nil }
            let (units, overflow) = rate.units.multipliedReportingOverflow(by: 1_000_000)
            return overflow ? nil : PicoDecimal(units: units)
        }
        var rates = PriceRates()
        rates[.input] = perMillion("input_tokens", "input_text_tokens", "cost_in", "total_tokens")
        rates[.output] = perMillion("output_tokens", "cost_out", "total_tokens")
        rates[.cached] = perMillion("input_cached_tokens")
        rates[.write] = perMillion("input_cache_creation_tokens")
        rates[.reasoning] = perMillion("output_reasoning_tokens")
        rates[.inputAudio] = perMillion("input_audio_tokens")
        rates[.inputImage] = perMillion("input_image_tokens")
        rates[.inputVideo] = perMillion("input_video_tokens")
        rates[.imageIn] = given["input_image_count"]
        rates[.image] = given["output_image_count"]
        return rates
    }
}

extension CustomCostSettings {
    /// In the order of the statements above, from `$3` on.
    fileprivate var values: [PostgresValue] {
        [
            .text(provider), .text(model), .text(modelRule.rawValue), .text(costIn), .text(costOut), .text(costType),
            .text(tokenPricing), .bool(isEnabled), .int(weight), .text(changedBy),
        ]
    }
}

extension CustomCost {
    init(_ row: PostgresRow) throws(PostgresError) {
        var settings = CustomCostSettings(provider: try row.text("provider_id"), model: try row.text("model"))
        settings.modelRule = ModelRule(rawValue: try row.text("model_rule")) ?? .equals
        settings.costIn = try row.textOrNil("cost_in")
        settings.costOut = try row.textOrNil("cost_out")
        settings.costType = try row.text("cost_type")
        settings.tokenPricing = try row.textOrNil("token_pricing")
        settings.isEnabled = try row.bool("enable")
        settings.weight = try row.intOrNil("weight")
        settings.changedBy = try row.text("changed_by")
        self.init(
            id: try row.text("id"), settings: settings, createdAt: try row.instant("created_at"),
            modifiedAt: try row.instant("modified_at")
        )
    }
}
