package import GatewayCore

/// Stores of secrets.
package struct SecretStoreRepository: Sendable {
    /// The store that an account gets when it needs one and has none.
    package static let defaultName = "default_secrets_store"

    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    package func list(
        of account: AccountID, order: SecretStoreOrder, direction: SortDirection, page: PageRequest
    ) async throws(PostgresError) -> Page<SecretStore> {
        let binds: [PostgresValue] = [.text(account.rawValue)]
        let count = try await pool.query("SELECT count(*) AS total FROM secret_stores WHERE account_id = $1", binds)
        var query = PostgresQuery("SELECT * FROM secret_stores WHERE account_id = $1 ORDER BY ", binds)
        switch order {
        case .name: query.append("name")
        case .created: query.append("created_at")
        case .modified: query.append("modified_at")
        }
        query.append(direction.sql)
        query.append(", id LIMIT ", value: .int(page.size), " OFFSET ")
        query.append(value: .int(page.offset))
        let rows = try await pool.query(query)
        return Page(
            items: try rows.map { (row) throws(PostgresError) in try SecretStore(row) },
            total: try count.first?.int("total") ?? 0
        )
    }

    package func find(_ id: StoreID, of account: AccountID) async throws(PostgresError) -> SecretStore? {
        let rows = try await pool.query(
            "SELECT * FROM secret_stores WHERE account_id = $1 AND id = $2",
            [.text(account.rawValue), .text(id.rawValue)]
        )
        return try rows.first.map { (row) throws(PostgresError) in try SecretStore(row) }
    }

    /// Makes a store.
    ///
    /// - Parameter limit: stores an account may have.
    /// - Throws: `SecretStoreRefusal` when it cannot be, `PostgresError` otherwise.
    package func insert(
        _ id: StoreID, name: String, of account: AccountID, limit: Int
    ) async throws -> ConfigurationWrite<SecretStore> {
        try await pool.write { transaction in
            try await transaction.lockAccount(account)
            let taken = try await transaction.query(
                """
                SELECT count(*) AS stores, count(*) FILTER (WHERE name = $2) AS same FROM secret_stores
                WHERE account_id = $1
                """,
                [.text(account.rawValue), .text(name)]
            )
            if try taken.first?.int("same") ?? 0 > 0 { throw SecretStoreRefusal.storeNameTaken }
            if try taken.first?.int("stores") ?? 0 >= limit { throw SecretStoreRefusal.storesExceeded }
            let rows = try await transaction.query(
                "INSERT INTO secret_stores (id, account_id, name) VALUES ($1, $2, $3) RETURNING *",
                [.text(id.rawValue), .text(account.rawValue), .text(name)]
            )
            guard let row = rows.first else { throw PostgresError(.unexpectedResult, "no row of a new store") }
            return try SecretStore(row)
        }
    }

    /// Whether a store goes with what is in it.
    package enum Removal: Sendable { case onlyEmpty, withSecrets }

    /// Removes a store.
    ///
    /// - Throws: `SecretStoreRefusal` when it cannot be, `PostgresError` otherwise.
    package func delete(
        _ id: StoreID, of account: AccountID, _ removal: Removal
    ) async throws -> ConfigurationWrite<SecretStore> {
        try await pool.write { transaction in
            try await transaction.lockStore(id, of: account)
            if removal == .onlyEmpty {
                let rows = try await transaction.query(
                    "SELECT FROM secrets WHERE store_id = $1 LIMIT 1", [.text(id.rawValue)]
                )
                if !rows.isEmpty { throw SecretStoreRefusal.storeNotEmpty }
            } else {
                // Before their store, so that the audit log can tell whose they were.
                _ = try await transaction.query("DELETE FROM secrets WHERE store_id = $1", [.text(id.rawValue)])
            }
            let rows = try await transaction.query(
                "DELETE FROM secret_stores WHERE id = $1 RETURNING *", [.text(id.rawValue)]
            )
            guard let row = rows.first else { throw SecretStoreRefusal.noSuchStore }
            return try SecretStore(row)
        }
    }

    /// The account's default store, made when there is none.
    package func standard(of account: AccountID, newStore: StoreID) async throws -> StoreID {
        try await pool.transaction(.configuration) { transaction in
            try await transaction.lockAccount(account)
            if let present = try await transaction.standardStore(of: account) { return present }
            return try await transaction.makeStandardStore(newStore, of: account)
        }
    }
}

extension PostgresTransaction {
    /// Keeps other writers of this account's stores waiting, so that what is counted stays true.
    func lockAccount(_ account: AccountID) async throws(PostgresError) {
        _ = try await query("SELECT FROM accounts WHERE id = $1 FOR UPDATE", [.text(account.rawValue)])
    }

    /// Keeps a store in place; throws `SecretStoreRefusal.noSuchStore` when it is not there.
    func lockStore(_ id: StoreID, of account: AccountID) async throws {
        let rows = try await query(
            "SELECT FROM secret_stores WHERE account_id = $1 AND id = $2 FOR UPDATE",
            [.text(account.rawValue), .text(id.rawValue)]
        )
        if rows.isEmpty { throw SecretStoreRefusal.noSuchStore }
    }

    /// The store with the default name, else the oldest.
    func standardStore(of account: AccountID) async throws(PostgresError) -> StoreID? {
        let rows = try await query(
            "SELECT id FROM secret_stores WHERE account_id = $1 ORDER BY name <> $2, created_at, id LIMIT 1",
            [.text(account.rawValue), .text(SecretStoreRepository.defaultName)]
        )
        return try rows.first.map { (row) throws(PostgresError) in StoreID(try row.text("id")) }
    }

    func makeStandardStore(_ id: StoreID, of account: AccountID) async throws(PostgresError) -> StoreID {
        let made = try await query(
            """
            INSERT INTO secret_stores (id, account_id, name) VALUES ($1, $2, $3)
            ON CONFLICT (account_id, name) DO UPDATE SET modified_at = now() RETURNING id
            """,
            [.text(id.rawValue), .text(account.rawValue), .text(SecretStoreRepository.defaultName)]
        )
        guard let row = made.first else { throw PostgresError(.unexpectedResult, "no row of a new store") }
        return StoreID(try row.text("id"))
    }
}

extension SecretStore {
    init(_ row: PostgresRow) throws(PostgresError) {
        self.init(
            id: StoreID(try row.text("id")), account: AccountID(try row.text("account_id")),
            name: try row.text("name"), createdAt: try row.instant("created_at"),
            modifiedAt: try row.instant("modified_at")
        )
    }
}
