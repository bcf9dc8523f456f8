package import GatewayCore
package import PostgresStore

/// What operators do with dynamic routes: store graphs, keep versions of them, put one in force (control-plane.md §6).
package struct DynamicRouteAdministration: Sendable {
    private static let nameLengths = 1...256

    private let routes: DynamicRouteRepository
    private let limitPerGateway: Int
    private let branches: Int

    /// - Parameters:
    ///   - limitPerGateway: routes that a gateway may have.
    ///   - branches: percentages that one element of a route may have.
    package init(_ pool: PostgresPool, limitPerGateway: Int = 1000, branches: Int = 5) {
        self.branches = branches
        routes = DynamicRouteRepository(pool)
        self.limitPerGateway = limitPerGateway
    }

    package func list(
        of gateway: GatewayID, in account: AccountID, page: PageRequest
    ) async throws(ControlError) -> Page<DynamicRoute> {
        try await refusing { try await routes.list(gateway, of: account, page: page) }
    }

    package func get(
        _ id: String, of gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> DynamicRoute {
        try await refusing { try await routes.find(id, of: gateway, in: account) }
    }

    /// Stores a route; its first version is in force at once.
    package func create(
        _ body: JSONValue, of gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<DynamicRoute> {
        var reader = FieldReader(body)
        let (name, elements) = Self.read(&reader)
        try reader.finish()
        return try await create(name, elements, of: gateway, in: account)
    }

    /// Reads a route's name and its elements.
    static func read(_ reader: inout FieldReader) -> (name: String, elements: [JSONValue]) {
        (reader.requiredString("name", lengths: Self.nameLengths), RouteElements.read(&reader))
    }

    /// Stores a route whose elements were checked; its first version is in force at once.
    func create(
        _ name: String, _ elements: [JSONValue], of gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<DynamicRoute> {
        let id = try Identifier.uuid()
        let deployment = try Identifier.uuid()
        let graph = try self.graph(elements)
        return try await refusing {
            do {
                return try await routes.insert(
                    id, name: name, graph, deployment: deployment, of: gateway, in: account, limit: limitPerGateway
                )
            } catch DynamicRouteRefusal.routesExceeded {
                throw ControlError.invalid([
                    FieldProblem(["body", "name"], "This gateway has reached its limit of dynamic routes")
                ])
            }
        }
    }

    /// Gives a route another name.
    package func rename(
        _ id: String, _ body: JSONValue, of gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<DynamicRoute> {
        var reader = FieldReader(body)
        let name = reader.requiredString("name", lengths: Self.nameLengths)
        try reader.finish()
        return try await refusing { try await routes.rename(id, to: name, of: gateway, in: account) }
    }

    package func delete(
        _ id: String, of gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<DynamicRoute> {
        try await refusing { try await routes.delete(id, of: gateway, in: account) }
    }

    package func versions(
        of id: String, _ gateway: GatewayID, in account: AccountID, page: PageRequest
    ) async throws(ControlError) -> Page<DynamicRouteVersion> {
        try await refusing { try await routes.versions(of: id, gateway, in: account, page: page) }
    }

    package func version(
        _ version: String, of id: String, _ gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> (DynamicRoute, DynamicRouteVersion) {
        try await refusing { try await routes.version(version, of: id, gateway, in: account) }
    }

    /// Stores a version without putting it in force; returns the route and what was stored.
    package func addVersion(
        _ body: JSONValue, to id: String, of gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> (write: ConfigurationWrite<DynamicRoute>, graph: DynamicRouteGraph) {
        var reader = FieldReader(body)
        let elements = RouteElements.read(&reader)
        try reader.finish()
        let graph = try self.graph(elements)
        return (try await refusing { try await routes.add(graph, to: id, of: gateway, in: account) }, graph)
    }

    package func deployments(
        of id: String, _ gateway: GatewayID, in account: AccountID, page: PageRequest
    ) async throws(ControlError) -> Page<DynamicRouteDeployment> {
        try await refusing { try await routes.deployments(of: id, gateway, in: account, page: page) }
    }

    /// Puts a version in force, an older one included.
    package func deploy(
        _ body: JSONValue, of id: String, _ gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<DynamicRoute> {
        var reader = FieldReader(body)
        let version = reader.requiredString("version_id", lengths: 1...256)
        try reader.finish()
        let deployment = try Identifier.uuid()
        return try await refusing {
            do {
                return try await routes.deploy(version, as: deployment, of: id, gateway, in: account)
            } catch DynamicRouteRefusal.noSuchVersion {
                throw ControlError.invalid([FieldProblem(["body", "version_id"], "Version not found")])
            }
        }
    }

    /// Gives a route a new version and puts it in force.
    func replace(
        _ elements: [JSONValue], of id: String, _ gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<DynamicRoute> {
        let graph = try self.graph(elements)
        let deployment = try Identifier.uuid()
        return try await refusing {
            _ = try await routes.add(graph, to: id, of: gateway, in: account)
            return try await routes.deploy(graph.version, as: deployment, of: id, gateway, in: account)
        }
    }

    private func graph(_ elements: [JSONValue]) throws(ControlError) -> DynamicRouteGraph {
        DynamicRouteGraph(
            version: try Identifier.uuid(), elements: JSONValue.array(elements).encoded,
            isValid: RouteGraphCheck.canRun(elements, branches: branches)
        )
    }

    private func refusing<T: Sendable>(_ body: () async throws -> T) async throws(ControlError) -> T {
        try await storing {
            do {
                return try await body()
            } catch let refusal as DynamicRouteRefusal {
                throw refusal == .noSuchGateway ? ControlError.notFound : .dynamicRoute(refusal)
            }
        }
    }
}
