import ControlPlane
import GatewayCore
import PostgresStore

/// The Secrets Store: stores, secrets and how many there may be (control-plane.md §13).
extension AdminRoutes {
    var secretsStoreTable: [AdminRoute] {
        let service = Self.secrets
        return [
            AdminRoute(
                "GET", service + "/quota", "How many secrets the account may have and has.",
                answer: .result(.object(["secrets": .object(["quota": .integer, "usage": .integer])]))
            ) { try await secretsQuota($0) }
        ] + storeTable(service + "/stores") + secretTable(service + "/stores/{store_id}/secrets")
    }

    private func storeTable(_ list: String) -> [AdminRoute] {
        let one = list + "/{store_id}"
        let store = SecretSchema.store
        return [
            AdminRoute(
                "GET", list, "Lists stores.",
                query: .pages(Self.pageSizes) + [
                    .init("order", .words(["name", "created", "modified"])),
                    .init("direction", .words(["asc", "desc"])),
                ], answer: .list(store)
            ) { try await listSecretStores($0) },
            AdminRoute(
                "POST", list, "Creates a store.", body: .object(["name": .string(1...255)]), answer: .result(store)
            ) { try await createSecretStore($0) },
            AdminRoute("GET", one, "Shows a store.", answer: .result(store)) { try await getSecretStore($0) },
            AdminRoute(
                "DELETE", one, "Deletes a store.", query: [.init("force", .boolean)], answer: .result(store)
            ) { try await deleteSecretStore($0) },
        ]
    }

    private func secretTable(_ list: String) -> [AdminRoute] {
        let one = list + "/{secret_id}"
        let secret = SecretSchema.secret
        return [
            AdminRoute(
                "GET", list, "Lists secrets without their values.",
                query: .pages(Self.pageSizes) + [
                    .init("search", .string), .init("scopes", .array(of: SecretSchema.scope)),
                    .init("order", .words(["name", "comment", "created", "modified", "status"])),
                    .init("direction", .words(["asc", "desc"])),
                ], answer: .list(secret)
            ) { try await listSecrets($0) },
            AdminRoute(
                "POST", list, "Stores secrets, all or none.",
                body: .array(of: SecretSchema.creation, counts: 1...100), answer: .result(.array(of: secret))
            ) { try await createSecrets($0) },
            AdminRoute(
                "DELETE", list, "Deletes the named secrets.", body: .object(["ids?": .array(of: .string)]),
                answer: .result(.array(of: secret)), status: 202
            ) { try await deleteSecrets($0) },
            AdminRoute("GET", one, "Shows a secret without its value.", answer: .result(secret)) {
                try await getSecret($0)
            },
            AdminRoute("PATCH", one, "Changes a secret.", body: SecretSchema.change, answer: .result(secret)) {
                try await editSecret($0)
            },
            AdminRoute("DELETE", one, "Deletes a secret.", answer: .result(secret)) { try await deleteSecret($0) },
            AdminRoute(
                "POST", one + "/duplicate", "Makes a second secret with the same value.",
                body: SecretSchema.duplicate, answer: .result(secret)
            ) { try await duplicateSecret($0) },
        ]
    }

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
            scopes: try call.scopes(), search: try PageQuery.text(call.query, "search")
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
