import ControlPlane
import GatewayCore
import PostgresStore

extension ProviderConfig {
    /// The provider config object on the wire (control-plane.md §7 · documented); never the secret's value.
    var document: JSONValue {
        [
            "id": .string(id),
            "alias": .string(alias.rawValue),
            "default_config": .bool(isDefault),
            "gateway_id": .string(gateway.rawValue),
            "provider_slug": .string(provider.rawValue),
            "secret_id": .string(secret.rawValue),
            "secret_preview": .string(secretPreview),
            "rate_limit": JSONValue(rateLimit),
            "rate_limit_period": JSONValue(rateLimitPeriodSeconds),
            "modified_at": .string(Timestamp.text(modifiedAt)),
        ]
    }
}

extension AdminRoutes {
    var providerConfigTable: [AdminRoute] {
        let list = Self.gateway + "/provider_configs"
        let one = list + "/{id}"
        let config = Schema.object([
            "id": .string, "alias": .string, "default_config": .boolean, "gateway_id": .string,
            "provider_slug": .string, "secret_id": .string, "secret_preview": .string,
            "rate_limit": Schema.integer.orNull, "rate_limit_period": Schema.integer.orNull, "modified_at": .time,
        ]).named("ProviderConfig")
        return [
            AdminRoute("GET", list, "Lists stored provider keys.", query: .pages(), answer: .list(config)) {
                try await listProviderConfigs($0)
            },
            AdminRoute(
                "POST", list, "Stores a provider key.",
                body: .object([
                    "provider_slug": .string(1...80), "alias": .string(1...128), "default_config": .boolean,
                    "secret?": .string(1...65_536), "secret_id?": .string(0...64),
                    "rate_limit?": .integer(0...Int(Int32.max)), "rate_limit_period?": .integer(0...Int(Int32.max)),
                ]), answer: .result(config)
            ) { try await createProviderConfig($0) },
            AdminRoute(
                "PUT", one, "Gives a stored key a new value.", body: .object(["secret": .string(1...65_536)]),
                answer: .result(config)
            ) { try await rotateProviderConfig($0) },
            AdminRoute("DELETE", one, "Deletes a stored key.", answer: .result(config)) {
                try await deleteProviderConfig($0)
            },
        ]
    }

    func listProviderConfigs(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 1...100)
        let page = try await providerConfigUseCases.list(of: call.gateway, in: call.account, page: request)
        return Envelope.success(.array(page.items.map(\.document)), info: PageQuery.info(page, request))
    }

    func createProviderConfig(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await providerConfigUseCases.create(
            try call.document(), of: call.gateway, in: call.account, now: clock.now
        )
        return await changed(written.value.document, version: written.version)
    }

    func rotateProviderConfig(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await providerConfigUseCases.rotate(
            call.parameter("id"), of: call.gateway, in: call.account, try call.document()
        )
        return await changed(written.value.document, version: written.version)
    }

    func deleteProviderConfig(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await providerConfigUseCases.delete(
            call.parameter("id"), of: call.gateway, in: call.account
        )
        return await changed(written.value.document, version: written.version)
    }
}
