import ControlPlane
import GatewayCore
import PostgresStore

extension AccountProvider {
    /// The custom provider object on the wire (control-plane.md §8.1 · documented); header values are masked.
    var document: JSONValue {
        [
            "id": .string(id),
            "account_id": .string(account.rawValue),
            "name": .string(settings.name),
            "slug": .string(settings.slug),
            "base_url": .string(settings.baseURL),
            "enable": .bool(settings.isEnabled),
            "beta": .bool(settings.isBeta),
            "description": JSONValue(settings.description),
            "link": JSONValue(settings.link),
            "curl_example": JSONValue(settings.curlExample),
            "js_example": JSONValue(settings.jsExample),
            "headers": JSONValue(settings.headers?.preview),
            "position": JSONValue(settings.position),
            "logo": .string(settings.logo ?? ProviderLogo(name: settings.name).base64),
            "created_at": .string(Timestamp.text(createdAt)),
            "modified_at": .string(Timestamp.text(modifiedAt)),
        ]
    }
}

extension AdminRoutes {
    var customProviderTable: [AdminRoute] {
        let list = Self.product + "/custom-providers"
        let one = list + "/{id}"
        let provider = CustomProviderSchema.provider
        return [
            AdminRoute(
                "GET", list, "Lists the account's own providers.",
                query: .pages() + [
                    .init("enable", .boolean), .init("beta", .boolean), .init("search", .string),
                    .init("order_by", .words(["position", "name", "created_at"])),
                    .init("order_by_direction", .words(["asc", "desc"])),
                ], answer: .list(provider)
            ) { try await listCustomProviders($0) },
            AdminRoute(
                "POST", list, "Creates a provider.", body: CustomProviderSchema.creation, answer: .result(provider)
            ) { try await createCustomProvider($0) },
            AdminRoute("GET", one, "Shows a provider.", answer: .result(provider)) {
                try await getCustomProvider($0)
            },
            AdminRoute(
                "PATCH", one, "Changes a provider.", body: CustomProviderSchema.change, answer: .result(provider)
            ) { try await updateCustomProvider($0) },
            AdminRoute("DELETE", one, "Deletes a provider with the keys stored for it.", answer: .result(provider)) {
                try await deleteCustomProvider($0)
            },
        ]
    }

    func listCustomProviders(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 1...100)
        var selection = AccountProviderRepository.Selection()
        selection.isEnabled = try PageQuery.bool(call.query, "enable")
        selection.isBeta = try PageQuery.bool(call.query, "beta")
        selection.search = try PageQuery.text(call.query, "search")
        selection.order = try Self.customProviderOrder(call.query)
        let page = try await customProviderUseCases.list(of: call.account, selection, page: request)
        return Envelope.success(.array(page.items.map(\.document)), info: PageQuery.info(page, request))
    }

    func createCustomProvider(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await customProviderUseCases.create(try call.document(), of: call.account)
        return await changed(written.value.document, version: written.version)
    }

    func getCustomProvider(_ call: AdminCall) async throws -> AdminAnswer {
        Envelope.success(try await customProviderUseCases.get(call.parameter("id"), of: call.account).document)
    }

    func updateCustomProvider(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await customProviderUseCases.update(
            call.parameter("id"), of: call.account, try call.document()
        )
        return await changed(written.value.document, version: written.version)
    }

    func deleteCustomProvider(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await customProviderUseCases.delete(call.parameter("id"), of: call.account)
        return await changed(written.value.document, version: written.version)
    }

    /// `position` unless the call names another column and, behind a space, its direction.
    ///
    /// - Source: control-plane §8.1 · documented: `name ASC`; the SDK says position, then name.
    private static func customProviderOrder(
        _ query: QueryItems
    ) throws(APIProblem) -> AccountProviderRepository.Order {
        let direction = query.value("order_by_direction").map { " " + $0 } ?? ""
        switch ((query.value("order_by") ?? "position") + direction).lowercased() {
        case "position", "position asc": return .position
        case "name", "name asc": return .name
        case "name desc": return .nameDescending
        case "created_at", "created_at asc": return .oldest
        case "created_at desc": return .newest
        default: throw .invalid(["query", "order_by"], "Invalid order. Expected 'position' | 'name' | 'created_at'")
        }
    }
}
