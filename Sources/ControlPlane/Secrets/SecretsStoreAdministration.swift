package import GatewayCore
package import PostgresStore

/// What operators do with stores and secrets: everything but reading a value back (control-plane.md §13).
package struct SecretsStoreAdministration: Sendable {
    /// What an account may have; settings of the node.
    package struct Limits: Sendable {
        package var stores: Int
        package var secrets: Int

        package init(stores: Int, secrets: Int) {
            self.stores = stores
            self.secrets = secrets
        }
    }

    /// How much of what an account may have is used.
    package struct Quota: Sendable, Equatable {
        package var secrets: Int
        package var used: Int
    }

    /// What a secret may be used for; only `ai_gateway` means something to this product.
    package static let scopes: Set<String> = ["workers", "ai_gateway", "dex", "access", "containers", "websearch"]

    private static let maximumStoreName = 255

    private let stores: SecretStoreRepository
    private let secrets: SecretRepository
    private let sealer: SecretSealer
    private let limits: Limits

    package init(_ pool: PostgresPool, sealer: SecretSealer, limits: Limits) {
        stores = SecretStoreRepository(pool)
        secrets = SecretRepository(pool)
        self.sealer = sealer
        self.limits = limits
    }

    // MARK: Stores

    package func quota(of account: AccountID) async throws(ControlError) -> Quota {
        Quota(secrets: limits.secrets, used: try await storing { try await secrets.count(of: account) })
    }

    package func listStores(
        of account: AccountID, order: SecretStoreOrder, direction: SortDirection, page: PageRequest
    ) async throws(ControlError) -> Page<SecretStore> {
        try await storing { try await stores.list(of: account, order: order, direction: direction, page: page) }
    }

    package func getStore(_ id: StoreID, of account: AccountID) async throws(ControlError) -> SecretStore {
        guard let store = try await storing({ try await stores.find(id, of: account) }) else {
            throw .secretsStore(.storeNotFound)
        }
        return store
    }

    package func createStore(
        _ body: JSONValue, of account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<SecretStore> {
        guard body.members != nil else { throw .secretsStore(.invalidBody) }
        guard let given = body["name"], given != .null, given != "" else { throw .secretsStore(.storeNameEmpty) }
        guard let name = given.text else { throw .secretsStore(.invalidBody) }
        let isAcceptable = name.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
        guard isAcceptable, name.unicodeScalars.count <= Self.maximumStoreName else {
            throw .secretsStore(.storeNameInvalid)
        }
        let id = StoreID(try SecretSealer.identifier())
        return try await refusing {
            try await stores.insert(id, name: name, of: account, limit: limits.stores)
        }
    }

    package func deleteStore(
        _ id: StoreID, of account: AccountID, _ removal: SecretStoreRepository.Removal
    ) async throws(ControlError) -> ConfigurationWrite<SecretStore> {
        try await refusing { try await stores.delete(id, of: account, removal) }
    }

    // MARK: Secrets

    package func list(
        _ store: StoreID, of account: AccountID, _ query: SecretQuery, page: PageRequest
    ) async throws(ControlError) -> Page<StoredSecret> {
        try await refusing { try await secrets.list(store, of: account, query, page: page) }
    }

    package func get(
        _ id: SecretID, in store: StoreID, of account: AccountID
    ) async throws(ControlError) -> StoredSecret {
        try await refusing { try await secrets.find(id, in: store, of: account) }
    }

    /// Stores the secrets of an array, all or none.
    package func create(
        _ body: JSONValue, in store: StoreID, of account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<[StoredSecret]> {
        guard let documents = body.elements, !documents.isEmpty else { throw .secretsStore(.invalidBody) }
        var new: [NewSecret] = []
        for document in documents {
            let draft = try SecretDraft(document)
            let id = SecretID(try SecretSealer.identifier())
            new.append(
                NewSecret(
                    id: id, name: draft.name, scopes: draft.scopes, comment: draft.comment,
                    text: try seal(try SecretDraft.value(document["value"]), id: id, of: account)
                )
            )
        }
        let complete = new
        return try await refusing {
            try await secrets.insert(complete, in: store, of: account, limit: limits.secrets)
        }
    }

    /// Changes value, scopes or comment; the name stays.
    package func edit(
        _ id: SecretID, in store: StoreID, of account: AccountID, _ body: JSONValue
    ) async throws(ControlError) -> ConfigurationWrite<StoredSecret> {
        guard body.members != nil else { throw .secretsStore(.invalidBody) }
        var change = SecretRepository.Change()
        if let value = body["value"], value != .null {
            change.text = try seal(try SecretDraft.value(value), id: id, of: account)
        }
        if let scopes = body["scopes"], scopes != .null { change.scopes = try SecretDraft.scopes(scopes) }
        if let comment = body["comment"] { change.comment = .some(try SecretDraft.comment(comment)) }
        let complete = change
        return try await refusing { try await secrets.update(id, in: store, of: account, complete) }
    }

    /// Makes a second secret with the same hidden content.
    package func duplicate(
        _ id: SecretID, in store: StoreID, of account: AccountID, _ body: JSONValue
    ) async throws(ControlError) -> ConfigurationWrite<StoredSecret> {
        let draft = try SecretDraft(body)
        let (_, text) = try await refusing { try await secrets.sealed(id, in: store, of: account) }
        let copy = SecretID(try SecretSealer.identifier())
        let new = NewSecret(
            id: copy, name: draft.name, scopes: draft.scopes, comment: draft.comment,
            text: try sealer.reseal(text, of: id, for: copy, in: account)
        )
        let written = try await refusing {
            try await secrets.insert([new], in: store, of: account, limit: limits.secrets, duplicating: id)
        }
        guard let secret = written.value.first else { throw .internalFailure("no row of a duplicated secret") }
        return ConfigurationWrite(value: secret, version: written.version)
    }

    package func delete(
        _ id: SecretID, in store: StoreID, of account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<StoredSecret> {
        let written = try await refusing { try await secrets.delete([id], in: store, of: account) }
        guard let secret = written.value.first else { throw .secretsStore(.secretNotFound) }
        return ConfigurationWrite(value: secret, version: written.version)
    }

    /// Removes the secrets named by `ids`; without any, nothing (control-plane.md §13.2).
    package func deleteMany(
        _ body: JSONValue, in store: StoreID, of account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<[StoredSecret]> {
        guard body.members != nil else { throw .secretsStore(.invalidBody) }
        var ids: [SecretID] = []
        if let given = body["ids"], given != .null {
            guard let elements = given.elements else { throw .secretsStore(.invalidBody) }
            for element in elements {
                guard let id = element.text, !id.utf8.contains(0) else { throw .secretsStore(.invalidBody) }
                ids.append(SecretID(id))
            }
        }
        let named = ids
        return try await refusing { try await secrets.delete(named, in: store, of: account) }
    }

    // MARK: From a shell

    /// Stores a value under a name in the account's default store, in place of what that name holds.
    ///
    /// - Parameter comment: nil keeps the one that is there.
    package func put(
        _ name: String, value: String, scopes: [String], comment: String?, of account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<StoredSecret> {
        let name = try SecretDraft.name(.string(name))
        let scopes = try SecretDraft.scopes(.array(scopes.map { .string($0) }))
        let checked = try check(value)
        let change: String?? = try comment.map { (text) throws(ControlError) in
            try SecretDraft.comment(.string(text))
        }
        let newStore = StoreID(try SecretSealer.identifier())
        let newID = SecretID(try SecretSealer.identifier())
        return try await refusing {
            let store = try await stores.standard(of: account, newStore: newStore)
            return try await secrets.put(
                name: name, in: store, of: account, newID: newID, scopes: scopes, comment: change,
                limit: limits.secrets
            ) { try sealer.seal(checked, id: $0, of: account) }
        }
    }

    /// Every secret of an account, or of all.
    package func listAll(of account: AccountID?) async throws(ControlError) -> [StoredSecret] {
        try await storing { try await secrets.all(of: account) }
    }

    // MARK: -

    private func check(_ text: String) throws(ControlError) -> SecretSealer.Checked {
        do throws(SecretSealer.Problem) { return try sealer.check(text) } catch {
            throw .secretsStore(SecretsStoreProblem(error))
        }
    }

    private func seal(_ text: String, id: SecretID, of account: AccountID) throws(ControlError) -> SealedText {
        try sealer.seal(try check(text), id: id, of: account)
    }

    private func refusing<T: Sendable>(_ body: () async throws -> T) async throws(ControlError) -> T {
        try await storing {
            do {
                return try await body()
            } catch let refusal as SecretStoreRefusal {
                throw ControlError.secretsStore(SecretsStoreProblem(refusal))
            }
        }
    }
}
