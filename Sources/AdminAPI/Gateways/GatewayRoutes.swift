import ControlPlane
import GatewayCore
import PostgresStore

extension AdminRoutes {
    var gatewayTable: [AdminRoute] {
        let list = Self.gateways
        let one = Self.gateway
        return [
            AdminRoute(
                "GET", list, "Lists gateways.", query: .pages() + [.init("search", .string)],
                answer: .list(GatewaySchema.gateway)
            ) { try await listGateways($0) },
            AdminRoute(
                "POST", list, "Creates a gateway.", body: GatewaySchema.creation(limits),
                answer: .result(GatewaySchema.gateway)
            ) { try await createGateway($0) },
            AdminRoute("GET", one, "Shows a gateway.", answer: .result(GatewaySchema.gateway)) {
                try await getGateway($0)
            },
            AdminRoute(
                "PUT", one, "Changes a gateway.", body: GatewaySchema.change(limits),
                answer: .result(GatewaySchema.gateway)
            ) { try await updateGateway($0) },
            AdminRoute("DELETE", one, "Deletes a gateway.", answer: .result(GatewaySchema.gateway)) {
                try await deleteGateway($0)
            },
        ]
    }

    func listGateways(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 1...100)
        let page = try await gatewayUseCases.list(
            of: call.account, search: try PageQuery.text(call.query, "search"), page: request
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
