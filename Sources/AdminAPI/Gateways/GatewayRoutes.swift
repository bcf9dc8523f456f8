import ControlPlane
import PostgresStore

extension AdminRoutes {
    func listGateways(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 1...100)
        let page = try await gatewayUseCases.list(
            of: call.account, search: call.query.value("search"), page: request
        )
        return Envelope.success(.array(page.items.map(\.document)), info: PageQuery.info(page, request))
    }

    func createGateway(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await gatewayUseCases.create(try call.document(), of: call.account)
        return await changed(written.value.document, version: written.version)
    }

    func getGateway(_ call: AdminCall) async throws -> AdminAnswer {
        Envelope.success(try await gatewayUseCases.get(call.gateway, of: call.account).document)
    }

    func updateGateway(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await gatewayUseCases.update(call.gateway, of: call.account, try call.document())
        return await changed(written.value.document, version: written.version)
    }

    func deleteGateway(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await gatewayUseCases.delete(call.gateway, of: call.account)
        return await changed(written.value.document, version: written.version)
    }
}
