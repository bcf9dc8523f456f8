package import GatewayCore

/// The providers that accounts define themselves, one account at a time.
package struct AccountProviderRepository: Sendable {
    /// Which providers a list shows; nil stands for all.
    package struct Selection: Sendable {
        package var isEnabled: Bool?
        package var isBeta: Bool?
        /// A part of id, name or slug.
        package var search: String?
        package var order: Order = .position

        package init() {}
    }

    /// The order of a list.
    package enum Order: Sendable, CaseIterable { case position, name, nameDescending, newest, oldest }

    /// The slug belongs to another provider of the account.
    package struct SlugTaken: Error, Sendable {}

    /// Keys are stored under the new slug already; they were not meant for this provider.
    package struct KeysStored: Error, Sendable {}

    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    package func list(
        _ account: AccountID, _ selection: Selection, page: PageRequest
    ) async throws(PostgresError) -> Page<AccountProvider> {
        var condition = PostgresFragment(" FROM custom_providers WHERE account_id = ")
        condition.append(value: .text(account.rawValue))
        if let isEnabled = selection.isEnabled {
            condition.append(" AND enable = ")
            condition.append(value: .bool(isEnabled))
        }
        if let isBeta = selection.isBeta {
            condition.append(" AND beta = ")
            condition.append(value: .bool(isBeta))
        }
        if let search = selection.search {
            condition.append(" AND concat_ws(chr(10), id, name, slug) ILIKE ")
            condition.append(value: .text(LogCondition.pattern(for: search)))
        }
        var counting = PostgresQuery("SELECT count(*) AS total")
        counting.append(condition)
        var listing = PostgresQuery("SELECT *")
        listing.append(condition)
        switch selection.order {
        case .position: listing.append(" ORDER BY position NULLS LAST, name, id")
        case .name: listing.append(" ORDER BY name, id")
        case .nameDescending: listing.append(" ORDER BY name DESC, id")
        case .newest: listing.append(" ORDER BY created_at DESC, id")
        case .oldest: listing.append(" ORDER BY created_at, id")
        }
        listing.append(" LIMIT ", value: .int(page.size), " OFFSET ")
        listing.append(value: .int(page.offset))
        let rows = try await pool.query(listing)
        return Page(
            items: try rows.map { (row) throws(PostgresError) in try AccountProvider(row) },
            total: try await pool.query(counting).first?.int("total") ?? 0
        )
    }

    package func find(_ id: String, of account: AccountID) async throws(PostgresError) -> AccountProvider? {
        try await pool.query(
            "SELECT * FROM custom_providers WHERE account_id = $1 AND id = $2", [.text(account.rawValue), .text(id)]
        ).first.map { (row) throws(PostgresError) in try AccountProvider(row) }
    }

    /// Makes a provider; the value is nil when the slug is taken.
    package func insert(
        _ id: String, of account: AccountID, _ settings: AccountProviderSettings
    ) async throws -> ConfigurationWrite<AccountProvider?> {
        try await pool.write { transaction in
            let rows = try await transaction.query(
                """
                INSERT INTO custom_providers (account_id, id, name, slug, base_url, enable, beta, description, link,
                    curl_example, js_example, logo, position, headers_envelope, headers_preview)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
                ON CONFLICT (account_id, slug) DO NOTHING RETURNING *
                """,
                [.text(account.rawValue), .text(id)] + settings.values
            )
            return try rows.first.map(AccountProvider.init)
        }
    }

    /// Replaces a provider's settings by what `change` makes of them; nil when there is no such provider.
    ///
    /// Its stored answers are forgotten: a trigger raises the epoch. The keys that gateways stored for it follow a new
    /// slug: a provider that is made under the former one later leads elsewhere and must not inherit them.
    ///
    /// - Parameter name: makes the provider's name in provider configs from its slug.
    /// - Throws: `SlugTaken`, `KeysStored`, whatever `change` throws, `PostgresError` otherwise.
    package func update(
        _ id: String, of account: AccountID, named name: (String) -> ProviderID,
        _ change: (AccountProviderSettings) throws -> AccountProviderSettings
    ) async throws -> ConfigurationWrite<AccountProvider>? {
        try await pool.transaction(.configuration) { transaction -> ConfigurationWrite<AccountProvider>? in
            let binds: [PostgresValue] = [.text(account.rawValue), .text(id)]
            let found = try await transaction.query(
                "SELECT * FROM custom_providers WHERE account_id = $1 AND id = $2 FOR UPDATE", binds
            )
            guard let current = try found.first.map(AccountProvider.init) else { return nil }
            let settings = try change(current.settings)
            let others = try await transaction.query(
                "SELECT 1 FROM custom_providers WHERE account_id = $1 AND id <> $2 AND slug = $3",
                binds + [.text(settings.slug)]
            )
            guard others.isEmpty else { throw SlugTaken() }
            if settings.slug != current.settings.slug {
                try await transaction.moveKeys(of: account, from: name(current.settings.slug), to: name(settings.slug))
            }
            let rows = try await transaction.query(
                """
                UPDATE custom_providers SET name = $3, slug = $4, base_url = $5, enable = $6, beta = $7,
                    description = $8, link = $9, curl_example = $10, js_example = $11, logo = $12, position = $13,
                    headers_envelope = $14, headers_preview = $15, modified_at = now()
                WHERE account_id = $1 AND id = $2 RETURNING *
                """,
                binds + settings.values
            )
            guard let provider = try rows.first.map(AccountProvider.init) else { return nil }
            return ConfigurationWrite(value: provider, version: try await transaction.configurationVersion())
        }
    }

    /// Removes a provider and the keys that gateways stored for it; the value is nil when there was none.
    ///
    /// A provider that is made under the same slug later leads elsewhere and must not inherit the keys.
    ///
    /// - Parameter name: makes the provider's name in provider configs from its slug.
    package func delete(
        _ id: String, of account: AccountID, named name: (String) -> ProviderID
    ) async throws -> ConfigurationWrite<AccountProvider?> {
        try await pool.write { transaction in
            let rows = try await transaction.query(
                "DELETE FROM custom_providers WHERE account_id = $1 AND id = $2 RETURNING *",
                [.text(account.rawValue), .text(id)]
            )
            guard let provider = try rows.first.map(AccountProvider.init) else { return nil }
            _ = try await transaction.query(
                "DELETE FROM provider_configs WHERE account_id = $1 AND provider_slug = $2",
                [.text(account.rawValue), .text(name(provider.settings.slug).rawValue)]
            )
            try await transaction.deleteUnusedOwnedSecrets(of: account)
            return provider
        }
    }
}

extension PostgresTransaction {
    /// Puts the keys of one provider under another name, and gives the secrets that were made for them theirs.
    fileprivate func moveKeys(of account: AccountID, from old: ProviderID, to new: ProviderID) async throws {
        let present = try await query(
            "SELECT 1 FROM provider_configs WHERE account_id = $1 AND provider_slug = $2 LIMIT 1",
            [.text(account.rawValue), .text(new.rawValue)]
        )
        guard present.isEmpty else { throw AccountProviderRepository.KeysStored() }
        let moved = try await query(
            """
            UPDATE provider_configs SET provider_slug = $3, modified_at = now()
            WHERE account_id = $1 AND provider_slug = $2 RETURNING *
            """,
            [.text(account.rawValue), .text(old.rawValue), .text(new.rawValue)]
        )
        for row in moved {
            let config = try ProviderConfig(row)
            var former = config
            former.provider = old
            // A name that somebody else's secret has already is left alone: an owned secret is never found by it.
            _ = try await query(
                """
                UPDATE secrets s SET name = $3 WHERE s.id = $1 AND s.name = $2 AND s.owned
                    AND NOT EXISTS (SELECT FROM secrets o WHERE o.store_id = s.store_id AND o.name = $3)
                """,
                [.text(config.secret.rawValue), .text(former.secretName), .text(config.secretName)]
            )
        }
    }
}

extension AccountProviderSettings {
    /// In the order of the statements above, from `$3` on.
    fileprivate var values: [PostgresValue] {
        [
            .text(name), .text(slug), .text(baseURL), .bool(isEnabled), .bool(isBeta), .text(description), .text(link),
            .text(curlExample), .text(jsExample), .text(logo), .int(position),
            headers.map { .bytes($0.envelope) } ?? .null, .text(headers?.preview),
        ]
    }
}

extension AccountProvider {
    init(_ row: PostgresRow) throws(PostgresError) {
        var settings = AccountProviderSettings(
            name: try row.text("name"), slug: try row.text("slug"), baseURL: try row.text("base_url")
        )
        settings.isEnabled = try row.bool("enable")
        settings.isBeta = try row.bool("beta")
        settings.description = try row.textOrNil("description")
        settings.link = try row.textOrNil("link")
        settings.curlExample = try row.textOrNil("curl_example")
        settings.jsExample = try row.textOrNil("js_example")
        settings.logo = try row.textOrNil("logo")
        settings.position = try row.intOrNil("position")
        if let envelope = try row.bytesOrNil("headers_envelope") {
            settings.headers = SealedHeaders(envelope: envelope, preview: try row.textOrNil("headers_preview") ?? "")
        }
        self.init(
            id: try row.text("id"), account: AccountID(try row.text("account_id")), settings: settings,
            cacheEpoch: try row.int("cache_epoch"), createdAt: try row.instant("created_at"),
            modifiedAt: try row.instant("modified_at")
        )
    }

    /// What the data plane acts on.
    var plan: CustomProviderPlan {
        var baseURL = settings.baseURL
        while baseURL.hasSuffix("/") { baseURL.removeLast() }
        var plan = CustomProviderPlan(
            account: account, slug: settings.slug, baseURL: baseURL, isEnabled: settings.isEnabled,
            cacheEpoch: UInt64(clamping: cacheEpoch)
        )
        plan.headers = settings.headers.map {
            SealedSecret(id: SecretID(id), account: account, name: "", envelope: $0.envelope)
        }
        return plan
    }
}
