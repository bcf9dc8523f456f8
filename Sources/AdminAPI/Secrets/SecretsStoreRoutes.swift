import ControlPlane
import GatewayCore
import PostgresStore

/// The Secrets Store: stores, secrets and how many there may be (control-plane.md §13).
extension AdminRoutes {
    /// - Source: control-plane §13.1, §13.2 · documented.
    private static let pageSizes = 0...100

    func secretsQuota(_ call: AdminCall) async throws -> AdminAnswer {
        let quota = try await secretsStoreUseCases.quota(of: call.account)
        return Envelope.success(["secrets": ["quota": JSONValue(quota.secrets), "usage": JSONValue(quota.used)]])
    }

    // MARK: Stores

    func listSecretStores(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: Self.pageSizes)
        let page = try await secretsStoreUseCases.listStores(
            of: call.account, order: try PageQuery.choice(call.query, "order", SecretStoreOrder.self) ?? .name,
            direction: try PageQuery.choice(call.query, "direction", SortDirection.self) ?? .asc, page: request
        )
        return Envelope.success(.array(page.items.map(\.document)), info: PageQuery.info(page, request))
    }

    func createSecretStore(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await secretsStoreUseCases.createStore(try call.secretsDocument(), of: call.account)
        return await changed(written.value.document, version: written.version)
    }

    func getSecretStore(_ call: AdminCall) async throws -> AdminAnswer {
        Envelope.success(try await secretsStoreUseCases.getStore(call.store, of: call.account).document)
    }

    func deleteSecretStore(_ call: AdminCall) async throws -> AdminAnswer {
        let isForced = try PageQuery.bool(call.query, "force") ?? false
        let written = try await secretsStoreUseCases.deleteStore(
            call.store, of: call.account, isForced ? .withSecrets : .onlyEmpty
        )
        return await changed(written.value.document, version: written.version)
    }

    // MARK: Secrets

    func listSecrets(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: Self.pageSizes)
        let query = SecretQuery(
            order: try PageQuery.choice(call.query, "order", SecretQuery.Order.self) ?? .name,
            direction: try PageQuery.choice(call.query, "direction", SortDirection.self) ?? .asc,
            scopes: try call.scopes(), search: call.query.value("search")
        )
        let page = try await secretsStoreUseCases.list(call.store, of: call.account, query, page: request)
        return Envelope.success(.array(page.items.map(\.document)), info: PageQuery.info(page, request))
    }

    func createSecrets(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await secretsStoreUseCases.create(
            try call.secretsDocument(), in: call.store, of: call.account
        )
        return await changed(.array(written.value.map(\.document)), version: written.version)
    }

    func deleteSecrets(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await secretsStoreUseCases.deleteMany(
            try call.secretsDocument(), in: call.store, of: call.account
        )
        var answer = await changed(.array(written.value.map(\.document)), version: written.version)
        answer.status = 202
        return answer
    }

    func getSecret(_ call: AdminCall) async throws -> AdminAnswer {
        Envelope.success(
            try await secretsStoreUseCases.get(call.secret, in: call.store, of: call.account).document
        )
    }

    func editSecret(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await secretsStoreUseCases.edit(
            call.secret, in: call.store, of: call.account, try call.secretsDocument()
        )
        return await changed(written.value.document, version: written.version)
    }

    func deleteSecret(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await secretsStoreUseCases.delete(call.secret, in: call.store, of: call.account)
        return await changed(written.value.document, version: written.version)
    }

    func duplicateSecret(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await secretsStoreUseCases.duplicate(
            call.secret, in: call.store, of: call.account, try call.secretsDocument()
        )
        return await changed(written.value.document, version: written.version)
    }
}

extension AdminCall {
    fileprivate var store: StoreID { StoreID(parameter("store_id")) }
    fileprivate var secret: SecretID { SecretID(parameter("secret_id")) }

    /// The body; what is no JSON is told in the Secrets Store's terms.
    fileprivate func secretsDocument() throws(APIProblem) -> JSONValue {
        do throws(APIProblem) { return try document() } catch { throw APIProblem(.invalidBody) }
    }

    /// `scopes`, repeated or separated by commas.
    fileprivate func scopes() throws(APIProblem) -> [String] {
        let words = query.items.filter { $0.name == "scopes" || $0.name == "scopes[]" }
            .flatMap { $0.value.split(separator: ",").map(String.init) }
        for word in words where !SecretsStoreAdministration.scopes.contains(word) {
            throw APIProblem(.secretScopeInvalid)
        }
        return words
    }
}
