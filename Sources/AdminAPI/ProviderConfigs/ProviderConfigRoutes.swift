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
