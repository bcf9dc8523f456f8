import ControlPlane
import PostgresStore

/// Dynamic routes, their versions and deployments (control-plane.md §6).
extension AdminRoutes {
    var dynamicRouteTable: [AdminRoute] {
        let list = Self.gateway + "/routes"
        let one = list + "/{route_id}"
        let route = DynamicRouteSchema.route
        return [
            AdminRoute(
                "GET", list, "Lists dynamic routes.", query: .pages(),
                answer: .twice("data", DynamicRouteSchema.page("routes", of: DynamicRouteSchema.item))
            ) { try await listDynamicRoutes($0) },
            AdminRoute(
                "POST", list, "Stores a dynamic route and deploys its first version.",
                body: DynamicRouteSchema.creation, answer: .result(route)
            ) { try await createDynamicRoute($0) },
            AdminRoute("GET", one, "Shows a dynamic route as it is deployed.", answer: .result(route)) {
                try await getDynamicRoute($0)
            },
            AdminRoute(
                "PATCH", one, "Renames a dynamic route.", body: DynamicRouteSchema.name,
                answer: .twice("route", DynamicRouteSchema.item)
            ) { try await renameDynamicRoute($0) },
            AdminRoute("DELETE", one, "Deletes a dynamic route.", answer: .result(DynamicRouteSchema.body)) {
                try await deleteDynamicRoute($0)
            },
        ] + versionTable(one)
    }

    private func versionTable(_ route: String) -> [AdminRoute] {
        [
            AdminRoute(
                "GET", route + "/versions", "Lists the versions of a dynamic route.", query: .pages(),
                answer: .twice("data", DynamicRouteSchema.page("versions", of: DynamicRouteSchema.version))
            ) { try await listRouteVersions($0) },
            AdminRoute(
                "POST", route + "/versions", "Stores a version without deploying it.",
                body: DynamicRouteSchema.graph,
                answer: .result(.all(DynamicRouteSchema.body, .object(["version_id": .string])))
            ) { try await createRouteVersion($0) },
            AdminRoute(
                "GET", route + "/versions/{version_id}", "Shows a version of a dynamic route.",
                answer: .result(DynamicRouteSchema.detail)
            ) { try await getRouteVersion($0) },
            AdminRoute(
                "GET", route + "/deployments", "Lists the deployments of a dynamic route.", query: .pages(),
                answer: .twice("data", DynamicRouteSchema.page("deployments", of: DynamicRouteSchema.deployed))
            ) { try await listRouteDeployments($0) },
            AdminRoute(
                "POST", route + "/deployments", "Deploys a version, an older one included.",
                body: DynamicRouteSchema.deployment, answer: .result(DynamicRouteSchema.body)
            ) { try await deployRouteVersion($0) },
        ]
    }

    func listDynamicRoutes(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 1...100)
        let page = try await dynamicRouteUseCases.list(of: call.gateway, in: call.account, page: request)
        return Self.page("routes", page.map(\.item), request)
    }

    func createDynamicRoute(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await dynamicRouteUseCases.create(try call.document(), of: call.gateway, in: call.account)
        return await changed(written.value.document, version: written.version)
    }

    func getDynamicRoute(_ call: AdminCall) async throws -> AdminAnswer {
        Envelope.success(
            try await dynamicRouteUseCases.get(call.route, of: call.gateway, in: call.account).document
        )
    }

    func renameDynamicRoute(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await dynamicRouteUseCases.rename(
            call.route, try call.document(), of: call.gateway, in: call.account
        )
        return await changed(written.value.item, version: written.version, also: "route")
    }

    func deleteDynamicRoute(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await dynamicRouteUseCases.delete(call.route, of: call.gateway, in: call.account)
        return await changed(.object(written.value.body()), version: written.version)
    }

    func listRouteVersions(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 1...100)
        let page = try await dynamicRouteUseCases.versions(
            of: call.route, call.gateway, in: call.account, page: request
        )
        return Self.page("versions", page.map(\.document), request)
    }

    func createRouteVersion(_ call: AdminCall) async throws -> AdminAnswer {
        let (written, graph) = try await dynamicRouteUseCases.addVersion(
            try call.document(), to: call.route, of: call.gateway, in: call.account
        )
        let members =
            written.value.body(elements: graph.elements) + [
                .init("version_id", .string(graph.version)), .init("is_valid", .bool(graph.isValid)),
            ]
        return await changed(.object(members), version: written.version)
    }

    func getRouteVersion(_ call: AdminCall) async throws -> AdminAnswer {
        let (route, version) = try await dynamicRouteUseCases.version(
            call.parameter("version_id"), of: call.route, call.gateway, in: call.account
        )
        return Envelope.success(route.detail(of: version))
    }

    func listRouteDeployments(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 1...100)
        let page = try await dynamicRouteUseCases.deployments(
            of: call.route, call.gateway, in: call.account, page: request
        )
        return Self.page("deployments", page.map(\.document), request)
    }

    func deployRouteVersion(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await dynamicRouteUseCases.deploy(
            try call.document(), of: call.route, call.gateway, in: call.account
        )
        let route = written.value
        return await changed(
            .object(
                route.body() + [
                    .init("version_id", .string(route.version.id)),
                    .init("deployment_id", .string(route.deployment.id)),
                ]
            ), version: written.version
        )
    }

    /// One page as this resource's lists have it: under a name of its own, in `data` and in `result`.
    private static func page(_ name: String, _ page: Page<JSONValue>, _ request: PageRequest) -> AdminAnswer {
        Envelope.success(
            .object([
                .init(name, .array(page.items)), .init("page", JSONValue(request.number)),
                .init("per_page", JSONValue(request.size)), .init("order_by", "created_at"),
                .init("order_by_direction", "desc"),
            ]), info: PageQuery.info(page, request), also: "data"
        )
    }
}

extension AdminCall {
    fileprivate var route: String { parameter("route_id") }
}
