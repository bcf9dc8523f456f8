package import GatewayCore

/// Secrets in their stores; values come and go sealed.
package struct SecretRepository: Sendable {
    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    /// - Throws: `SecretStoreRefusal.noSuchStore`, `PostgresError`.
    package func list(
        _ store: StoreID, of account: AccountID, _ query: SecretQuery, page: PageRequest
    ) async throws -> Page<StoredSecret> {
        try await pool.transaction(.snapshot) { transaction in
            let stores = try await transaction.query(
                "SELECT FROM secret_stores WHERE account_id = $1 AND id = $2",
                [.text(account.rawValue), .text(store.rawValue)]
            )
            if stores.isEmpty { throw SecretStoreRefusal.noSuchStore }
            var selection = PostgresFragment(
                " FROM secrets s JOIN secret_stores o ON o.id = s.store_id WHERE s.store_id = "
            )
            selection.append(value: .text(store.rawValue))
            if !query.scopes.isEmpty {
                selection.append(" AND s.scopes && ")
                selection.append(value: .texts(query.scopes))
            }
            if let search = query.search {
                selection.append(" AND (s.name ILIKE ")
                selection.append(value: .text(LogCondition.pattern(for: search)))
                selection.append(" OR s.comment ILIKE ")
                selection.append(value: .text(LogCondition.pattern(for: search)))
                selection.append(")")
            }
            var counting = PostgresQuery("SELECT count(*) AS total")
            counting.append(selection)
            let total = try await transaction.query(counting).first?.int("total") ?? 0
            var listing = PostgresQuery("SELECT s.*, o.account_id")
            listing.append(selection)
            listing.append(" ORDER BY ")
            switch query.order {
            case .name: listing.append("s.name")
            case .comment: listing.append("s.comment")
            case .created: listing.append("s.created_at")
            case .modified: listing.append("s.modified_at")
            case .status: listing.append("s.status")
            }
            listing.append(query.direction.sql)
            listing.append(", s.id LIMIT ", value: .int(page.size), " OFFSET ")
            listing.append(value: .int(page.offset))
            return Page(items: try await transaction.query(listing).map { try StoredSecret($0) }, total: total)
        }
    }

    /// Every secret of an account, or of all, for an operator's eyes.
    package func all(of account: AccountID?) async throws(PostgresError) -> [StoredSecret] {
        let rows = try await pool.query(
            """
            SELECT s.*, o.account_id FROM secrets s JOIN secret_stores o ON o.id = s.store_id
            WHERE $1::text IS NULL OR o.account_id = $1 ORDER BY o.account_id, s.name, s.id
            """,
            [.text(account?.rawValue)]
        )
        return try rows.map { (row) throws(PostgresError) in try StoredSecret(row) }
    }

    /// The sealed text of the active secret of that name that is meant for gateways; of several stores' that of the
    /// default store, else of the oldest.
    ///
    /// Nil when there is none. Secrets that were made for a provider config have no name: they are used by that config
    /// alone.
    package func sealed(
        named name: String, of account: AccountID
    ) async throws(PostgresError) -> (id: SecretID, text: SealedText)? {
        let rows = try await pool.query(
            """
            SELECT s.id, s.envelope, s.kind, s.preview FROM secrets s JOIN secret_stores o ON o.id = s.store_id
            WHERE o.account_id = $1 AND s.name = $2 AND s.status = 'active' AND 'ai_gateway' = ANY (s.scopes)
                AND NOT s.owned
            ORDER BY o.name <> $3, o.created_at, o.id, s.id LIMIT 1
            """,
            [.text(account.rawValue), .text(name), .text(SecretStoreRepository.defaultName)]
        )
        guard let row = rows.first else { return nil }
        return (
            SecretID(try row.text("id")),
            SealedText(
                envelope: try row.bytes("envelope"), kind: SecretKind(rawValue: try row.text("kind")) ?? .value,
                preview: try row.text("preview"))
        )
    }

    /// Number of secrets in all stores of an account.
    package func count(of account: AccountID) async throws(PostgresError) -> Int {
        let rows = try await pool.query(
            """
            SELECT count(*) AS total FROM secrets s JOIN secret_stores o ON o.id = s.store_id WHERE o.account_id = $1
            """,
            [.text(account.rawValue)]
        )
        return try rows.first?.int("total") ?? 0
    }

    /// - Throws: `SecretStoreRefusal`, `PostgresError`.
    package func find(_ id: SecretID, in store: StoreID, of account: AccountID) async throws -> StoredSecret {
        try await sealed(id, in: store, of: account).secret
    }

    /// A secret with its sealed text.
    ///
    /// - Throws: `SecretStoreRefusal`, `PostgresError`.
    package func sealed(
        _ id: SecretID, in store: StoreID, of account: AccountID
    ) async throws -> (secret: StoredSecret, text: SealedText) {
        let rows = try await pool.query(
            """
            SELECT s.*, o.account_id FROM secret_stores o LEFT JOIN secrets s ON s.store_id = o.id AND s.id = $3
            WHERE o.account_id = $1 AND o.id = $2
            """,
            [.text(account.rawValue), .text(store.rawValue), .text(id.rawValue)]
        )
        guard let row = rows.first else { throw SecretStoreRefusal.noSuchStore }
        if try row.isNull("id") { throw SecretStoreRefusal.noSuchSecret }
        let secret = try StoredSecret(row)
        return (
            secret,
            SealedText(envelope: try row.bytes("envelope"), kind: secret.kind, preview: try row.text("preview"))
        )
    }

    /// Stores new secrets, all or none.
    ///
    /// - Parameters:
    ///   - limit: secrets an account may have.
    ///   - original: the secret that the audit log names as the one that was duplicated.
    /// - Throws: `SecretStoreRefusal`, `PostgresError`.
    package func insert(
        _ secrets: [NewSecret], in store: StoreID, of account: AccountID, limit: Int,
        duplicating original: SecretID? = nil
    ) async throws -> ConfigurationWrite<[StoredSecret]> {
        try await pool.write { transaction in
            if let original {
                _ = try await transaction.query(
                    "SELECT set_config('aigatewayd.duplicated_from', $1, true)", [.text(original.rawValue)]
                )
            }
            try await transaction.lockAccount(account)
            try await transaction.lockStore(store, of: account)
            let present = try await transaction.query(
                """
                SELECT count(*) AS total FROM secrets s JOIN secret_stores o ON o.id = s.store_id
                WHERE o.account_id = $1
                """,
                [.text(account.rawValue)]
            )
            if try (present.first?.int("total") ?? 0) + secrets.count > limit {
                throw SecretStoreRefusal.secretsExceeded
            }
            var stored: [StoredSecret] = []
            for secret in secrets {
                stored.append(try await transaction.insert(secret, in: store, .byHand, of: account))
            }
            return stored
        }
    }

    /// What a change leaves as it is, and what it replaces.
    package struct Change: Sendable {
        package var text: SealedText?
        package var scopes: [String]?
        /// The inner nil clears it.
        package var comment: String??

        package init(text: SealedText? = nil, scopes: [String]? = nil, comment: String?? = nil) {
            self.text = text
            self.scopes = scopes
            self.comment = comment
        }
    }

    /// Changes a secret and the previews that provider configs show of it.
    ///
    /// - Throws: `SecretStoreRefusal`, `PostgresError`.
    package func update(
        _ id: SecretID, in store: StoreID, of account: AccountID, _ change: Change
    ) async throws -> ConfigurationWrite<StoredSecret> {
        try await pool.write { transaction in
            try await transaction.lockStore(store, of: account)
            let rows = try await transaction.query(
                """
                UPDATE secrets SET envelope = coalesce($3, envelope), kind = coalesce($4, kind),
                    preview = coalesce($5, preview), scopes = coalesce($6, scopes),
                    comment = CASE WHEN $7 THEN $8 ELSE comment END, modified_at = now()
                WHERE store_id = $1 AND id = $2 RETURNING *, $9::text AS account_id
                """,
                [
                    .text(store.rawValue), .text(id.rawValue), change.text.map { .bytes($0.envelope) } ?? .null,
                    .text(change.text?.kind.rawValue), .text(change.text?.preview),
                    change.scopes.map { .texts($0) } ?? .null, .bool(change.comment != nil),
                    .text(change.comment ?? nil), .text(account.rawValue),
                ]
            )
            guard let row = rows.first else { throw SecretStoreRefusal.noSuchSecret }
            if let text = change.text { try await transaction.showPreview(text.preview, of: id) }
            return try StoredSecret(row)
        }
    }

    /// Stores a text under a name: as a new secret, or in place of what the secret of that name holds.
    ///
    /// - Parameter seal: seals the text for the secret whose id it is given.
    /// - Throws: `SecretStoreRefusal`, `PostgresError`, what `seal` throws.
    package func put(
        name: String, in store: StoreID, of account: AccountID, newID: SecretID, scopes: [String], comment: String??,
        limit: Int, seal: (SecretID) throws -> SealedText
    ) async throws -> ConfigurationWrite<StoredSecret> {
        let rows = try await pool.query(
            "SELECT id FROM secrets WHERE store_id = $1 AND name = $2", [.text(store.rawValue), .text(name)]
        )
        if let row = rows.first {
            let id = SecretID(try row.text("id"))
            let change = Change(text: try seal(id), scopes: scopes, comment: comment)
            return try await update(id, in: store, of: account, change)
        }
        let secret = NewSecret(
            id: newID, name: name, scopes: scopes, comment: comment ?? nil, text: try seal(newID)
        )
        let written = try await insert([secret], in: store, of: account, limit: limit)
        guard let stored = written.value.first else { throw SecretStoreRefusal.noSuchSecret }
        return ConfigurationWrite(value: stored, version: written.version)
    }

    /// Removes those of the given secrets that are in the store, and gives what was removed.
    ///
    /// - Throws: `SecretStoreRefusal`, `PostgresError`.
    package func delete(
        _ ids: [SecretID], in store: StoreID, of account: AccountID
    ) async throws -> ConfigurationWrite<[StoredSecret]> {
        try await pool.write { transaction in
            try await transaction.lockStore(store, of: account)
            return try await transaction.query(
                "DELETE FROM secrets WHERE store_id = $1 AND id = ANY ($2) RETURNING *, $3::text AS account_id",
                [.text(store.rawValue), .texts(ids.map(\.rawValue)), .text(account.rawValue)]
            ).map { try StoredSecret($0) }
        }
    }

    /// Gives every envelope that `wrap` answers for a new form, in one transaction; returns how many there were.
    ///
    /// The header fields of accounts' own providers and the destinations of Logpush jobs are sealed likewise and
    /// included. Writers wait meanwhile, so that nothing is left behind.
    ///
    /// - Parameter wrap: the new envelope; nil leaves the old one.
    package func rewrap(
        _ wrap: (SecretID, AccountID, [UInt8]) throws -> [UInt8]?
    ) async throws -> ConfigurationWrite<(all: Int, changed: Int)> {
        try await pool.write { transaction in
            _ = try await transaction.query(
                "LOCK TABLE secrets, custom_providers, logpush_jobs IN SHARE ROW EXCLUSIVE MODE")
            let rows = try await transaction.query(
                """
                SELECT s.id, s.envelope, o.account_id, s.id AS row_id, 'secret' AS kind
                FROM secrets s JOIN secret_stores o ON o.id = s.store_id
                UNION ALL SELECT id, headers_envelope, account_id, id, 'headers'
                FROM custom_providers WHERE headers_envelope IS NOT NULL
                UNION ALL SELECT 'logpush-destination', destination_envelope, account_id, id::text, 'destination'
                FROM logpush_jobs
                """
            )
            var changed = 0
            for row in rows {
                let id = try row.text("id")
                let envelope = try wrap(SecretID(id), AccountID(try row.text("account_id")), try row.bytes("envelope"))
                guard let envelope else { continue }
                let binds: [PostgresValue] = [.text(try row.text("row_id")), .bytes(envelope)]
                switch try row.text("kind") {
                case "secret":
                    _ = try await transaction.query("UPDATE secrets SET envelope = $2 WHERE id = $1", binds)
                case "headers":
                    _ = try await transaction.query(
                        "UPDATE custom_providers SET headers_envelope = $2 WHERE id = $1", binds
                    )
                default:
                    _ = try await transaction.query(
                        "UPDATE logpush_jobs SET destination_envelope = $2 WHERE id::text = $1", binds
                    )
                }
                changed += 1
            }
            return (all: rows.count, changed: changed)
        }
    }
}

/// Who a secret was made for.
enum SecretOwnership: Sendable {
    /// Somebody asked for it.
    case byHand
    /// A provider config, with which it goes.
    case providerConfig
}

extension PostgresTransaction {
    /// Stores a secret; throws `SecretStoreRefusal.secretNameTaken` when the store has one of that name.
    func insert(
        _ secret: NewSecret, in store: StoreID, _ ownership: SecretOwnership, of account: AccountID
    ) async throws -> StoredSecret {
        let rows = try await query(
            """
            INSERT INTO secrets (id, store_id, name, scopes, envelope, kind, preview, comment, owned)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT (store_id, name) DO NOTHING RETURNING *, $10::text AS account_id
            """,
            [
                .text(secret.id.rawValue), .text(store.rawValue), .text(secret.name), .texts(secret.scopes),
                .bytes(secret.text.envelope), .text(secret.text.kind.rawValue), .text(secret.text.preview),
                .text(secret.comment), .bool(ownership == .providerConfig), .text(account.rawValue),
            ]
        )
        guard let row = rows.first else { throw SecretStoreRefusal.secretNameTaken }
        return try StoredSecret(row)
    }

    /// Lets the provider configs that use a secret show its new preview.
    func showPreview(_ preview: String, of secret: SecretID) async throws(PostgresError) {
        _ = try await query(
            """
            UPDATE provider_configs SET secret_preview = $2, modified_at = now()
            WHERE secret_id = $1 AND secret_preview <> $2
            """,
            [.text(secret.rawValue), .text(preview)]
        )
    }
}

extension StoredSecret {
    init(_ row: PostgresRow) throws(PostgresError) {
        self.init(
            id: SecretID(try row.text("id")), account: AccountID(try row.text("account_id")),
            store: StoreID(try row.text("store_id")), name: try row.text("name"),
            comment: try row.textOrNil("comment"), scopes: try row.texts("scopes").sorted(),
            status: try row.text("status"), kind: SecretKind(rawValue: try row.text("kind")) ?? .value,
            createdAt: try row.instant("created_at"), modifiedAt: try row.instant("modified_at")
        )
    }
}
