package import GatewayCore

/// Dynamic routes, their versions and deployments, one gateway at a time.
///
/// Everything throws `DynamicRouteRefusal` when it cannot be, `PostgresError` otherwise.
package struct DynamicRouteRepository: Sendable {
    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    /// A route with its newest deployment and the version that this put in force.
    private static let selection: StaticString = """
        SELECT r.*, d.id AS deployment_id, d.created_at AS deployed_at, v.id AS version_id, v.elements, v.is_valid,
            true AS is_active, v.created_at AS version_created_at
        FROM dynamic_routes r
        CROSS JOIN LATERAL (
            SELECT * FROM dynamic_route_deployments WHERE route_id = r.id ORDER BY number DESC LIMIT 1
        ) d
        JOIN dynamic_route_versions v ON v.id = d.version_id
        WHERE r.account_id = $1
        """

    /// Routes by name.
    package func list(
        _ gateway: GatewayID, of account: AccountID, page: PageRequest
    ) async throws -> Page<DynamicRoute> {
        let binds: [PostgresValue] = [.text(account.rawValue), .text(gateway.rawValue)]
        return try await pool.transaction(.snapshot) { transaction in
            let known = try await transaction.query(
                "SELECT FROM gateways WHERE account_id = $1 AND id = $2", binds
            )
            if known.isEmpty { throw DynamicRouteRefusal.noSuchGateway }
            let count = try await transaction.query(
                "SELECT count(*) AS total FROM dynamic_routes WHERE account_id = $1 AND gateway_id = $2", binds
            )
            var query = PostgresQuery(Self.selection, [.text(account.rawValue)])
            query.append(" AND r.gateway_id = ", value: .text(gateway.rawValue))
            query.append(" ORDER BY r.created_at DESC, r.id LIMIT ", value: .int(page.size), " OFFSET ")
            query.append(value: .int(page.offset))
            return Page(
                items: try await transaction.query(query).map(DynamicRoute.init),
                total: try count.first?.int("total") ?? 0
            )
        }
    }

    /// The routes of all gateways of an account, by gateway and name.
    package func all(of account: AccountID) async throws(PostgresError) -> [DynamicRoute] {
        var query = PostgresQuery(Self.selection, [.text(account.rawValue)])
        query.append(" ORDER BY r.gateway_id, r.name")
        return try await pool.query(query).map { (row) throws(PostgresError) in try DynamicRoute(row) }
    }

    package func find(
        _ id: String, of gateway: GatewayID, in account: AccountID
    ) async throws -> DynamicRoute {
        try await pool.transaction(.snapshot) { try await $0.route(id, of: gateway, in: account) }
    }

    /// Makes a route with its first version and deploys that.
    ///
    /// - Parameter limit: routes that the gateway may have.
    package func insert(
        _ id: String, name: String, _ graph: DynamicRouteGraph, deployment: String, of gateway: GatewayID,
        in account: AccountID, limit: Int
    ) async throws -> ConfigurationWrite<DynamicRoute> {
        try await pool.write { transaction in
            let place: [PostgresValue] = [.text(account.rawValue), .text(gateway.rawValue)]
            let known = try await transaction.query(
                "SELECT FROM gateways WHERE account_id = $1 AND id = $2 FOR UPDATE", place
            )
            if known.isEmpty { throw DynamicRouteRefusal.noSuchGateway }
            let present = try await transaction.query(
                "SELECT count(*) AS total FROM dynamic_routes WHERE account_id = $1 AND gateway_id = $2", place
            )
            if try present.first?.int("total") ?? 0 >= limit { throw DynamicRouteRefusal.routesExceeded }
            let rows = try await transaction.query(
                """
                INSERT INTO dynamic_routes (account_id, gateway_id, id, name) VALUES ($1, $2, $3, $4)
                ON CONFLICT (account_id, gateway_id, name) DO NOTHING RETURNING id
                """,
                place + [.text(id), .text(name)]
            )
            if rows.isEmpty { throw DynamicRouteRefusal.nameTaken }
            try await transaction.insert(graph, of: id)
            try await transaction.deploy(graph.version, as: deployment, of: id)
            return try await transaction.route(id, of: gateway, in: account)
        }
    }

    package func rename(
        _ id: String, to name: String, of gateway: GatewayID, in account: AccountID
    ) async throws -> ConfigurationWrite<DynamicRoute> {
        do {
            return try await pool.write { transaction in
                try await transaction.lockRoute(id, of: gateway, in: account)
                _ = try await transaction.query(
                    "UPDATE dynamic_routes SET name = $2, modified_at = now() WHERE id = $1", [.text(id), .text(name)]
                )
                return try await transaction.route(id, of: gateway, in: account)
            }
        } catch let error as PostgresError where error.isUniqueViolation {
            throw DynamicRouteRefusal.nameTaken
        }
    }

    package func delete(
        _ id: String, of gateway: GatewayID, in account: AccountID
    ) async throws -> ConfigurationWrite<DynamicRoute> {
        try await pool.write { transaction in
            try await transaction.lockRoute(id, of: gateway, in: account)
            let route = try await transaction.route(id, of: gateway, in: account)
            _ = try await transaction.query("DELETE FROM dynamic_routes WHERE id = $1", [.text(id)])
            return route
        }
    }

    // MARK: Versions

    /// Adds a version without putting it in force; returns the route as it is.
    package func add(
        _ graph: DynamicRouteGraph, to id: String, of gateway: GatewayID, in account: AccountID
    ) async throws -> ConfigurationWrite<DynamicRoute> {
        try await pool.write { transaction in
            try await transaction.lockRoute(id, of: gateway, in: account)
            try await transaction.insert(graph, of: id)
            _ = try await transaction.query(
                "UPDATE dynamic_routes SET modified_at = now() WHERE id = $1", [.text(id)]
            )
            return try await transaction.route(id, of: gateway, in: account)
        }
    }

    /// The newest first.
    package func versions(
        of id: String, _ gateway: GatewayID, in account: AccountID, page: PageRequest
    ) async throws -> Page<DynamicRouteVersion> {
        try await pool.transaction(.snapshot) { transaction in
            let route = try await transaction.route(id, of: gateway, in: account)
            let count = try await transaction.query(
                "SELECT count(*) AS total FROM dynamic_route_versions WHERE route_id = $1", [.text(id)]
            )
            let rows = try await transaction.query(
                """
                SELECT id AS version_id, elements, is_valid, id = $2 AS is_active, created_at AS version_created_at
                FROM dynamic_route_versions WHERE route_id = $1 ORDER BY number DESC LIMIT $3 OFFSET $4
                """,
                [.text(id), .text(route.version.id), .int(page.size), .int(page.offset)]
            )
            return Page(
                items: try rows.map { (row) throws(PostgresError) in try DynamicRouteVersion(row) },
                total: try count.first?.int("total") ?? 0
            )
        }
    }

    /// A route and one version of it.
    package func version(
        _ version: String, of id: String, _ gateway: GatewayID, in account: AccountID
    ) async throws -> (DynamicRoute, DynamicRouteVersion) {
        try await pool.transaction(.snapshot) { transaction in
            let route = try await transaction.route(id, of: gateway, in: account)
            let rows = try await transaction.query(
                """
                SELECT id AS version_id, elements, is_valid, id = $3 AS is_active, created_at AS version_created_at
                FROM dynamic_route_versions WHERE route_id = $1 AND id = $2
                """,
                [.text(id), .text(version), .text(route.version.id)]
            )
            guard let row = rows.first else { throw DynamicRouteRefusal.noSuchVersion }
            return (route, try DynamicRouteVersion(row))
        }
    }

    // MARK: Deployments

    package func deploy(
        _ version: String, as deployment: String, of id: String, _ gateway: GatewayID, in account: AccountID
    ) async throws -> ConfigurationWrite<DynamicRoute> {
        try await pool.write { transaction in
            try await transaction.lockRoute(id, of: gateway, in: account)
            let known = try await transaction.query(
                "SELECT FROM dynamic_route_versions WHERE route_id = $1 AND id = $2", [.text(id), .text(version)]
            )
            if known.isEmpty { throw DynamicRouteRefusal.noSuchVersion }
            try await transaction.deploy(version, as: deployment, of: id)
            _ = try await transaction.query(
                "UPDATE dynamic_routes SET modified_at = now() WHERE id = $1", [.text(id)]
            )
            return try await transaction.route(id, of: gateway, in: account)
        }
    }

    /// The newest first.
    package func deployments(
        of id: String, _ gateway: GatewayID, in account: AccountID, page: PageRequest
    ) async throws -> Page<DynamicRouteDeployment> {
        try await pool.transaction(.snapshot) { transaction in
            _ = try await transaction.route(id, of: gateway, in: account)
            let count = try await transaction.query(
                "SELECT count(*) AS total FROM dynamic_route_deployments WHERE route_id = $1", [.text(id)]
            )
            let rows = try await transaction.query(
                """
                SELECT id AS deployment_id, version_id, created_at AS deployed_at FROM dynamic_route_deployments
                WHERE route_id = $1 ORDER BY number DESC LIMIT $2 OFFSET $3
                """,
                [.text(id), .int(page.size), .int(page.offset)]
            )
            return Page(
                items: try rows.map { (row) throws(PostgresError) in try DynamicRouteDeployment(row) },
                total: try count.first?.int("total") ?? 0
            )
        }
    }

    fileprivate static func route(
        _ id: String, of gateway: GatewayID, in account: AccountID, _ transaction: PostgresTransaction
    ) async throws -> DynamicRoute? {
        var query = PostgresQuery(selection, [.text(account.rawValue)])
        query.append(" AND r.gateway_id = ", value: .text(gateway.rawValue))
        query.append(" AND r.id = ", value: .text(id))
        return try await transaction.query(query).first.map(DynamicRoute.init)
    }
}

extension PostgresTransaction {
    /// A route of a gateway; a missing gateway is told apart from a missing route.
    fileprivate func route(
        _ id: String, of gateway: GatewayID, in account: AccountID
    ) async throws -> DynamicRoute {
        if let route = try await DynamicRouteRepository.route(id, of: gateway, in: account, self) { return route }
        let known = try await query(
            "SELECT FROM gateways WHERE account_id = $1 AND id = $2",
            [.text(account.rawValue), .text(gateway.rawValue)]
        )
        throw known.isEmpty ? DynamicRouteRefusal.noSuchGateway : .noSuchRoute
    }

    /// Keeps a route in place, and other writers of it waiting.
    fileprivate func lockRoute(_ id: String, of gateway: GatewayID, in account: AccountID) async throws {
        let rows = try await query(
            "SELECT FROM dynamic_routes WHERE account_id = $1 AND gateway_id = $2 AND id = $3 FOR UPDATE",
            [.text(account.rawValue), .text(gateway.rawValue), .text(id)]
        )
        if rows.isEmpty { _ = try await route(id, of: gateway, in: account) }
    }

    fileprivate func insert(_ graph: DynamicRouteGraph, of route: String) async throws {
        _ = try await query(
            "INSERT INTO dynamic_route_versions (id, route_id, elements, is_valid) VALUES ($1, $2, $3::text::json, $4)",
            [.text(graph.version), .text(route), .text(graph.elements), .bool(graph.isValid)]
        )
    }

    fileprivate func deploy(_ version: String, as deployment: String, of route: String) async throws {
        _ = try await query(
            "INSERT INTO dynamic_route_deployments (id, route_id, version_id) VALUES ($1, $2, $3)",
            [.text(deployment), .text(route), .text(version)]
        )
    }
}

extension DynamicRoute {
    fileprivate init(_ row: PostgresRow) throws(PostgresError) {
        self.init(
            id: try row.text("id"), account: AccountID(try row.text("account_id")),
            gateway: GatewayID(try row.text("gateway_id")), name: try row.text("name"),
            createdAt: try row.instant("created_at"), modifiedAt: try row.instant("modified_at"),
            deployment: try DynamicRouteDeployment(row), version: try DynamicRouteVersion(row)
        )
    }
}

extension DynamicRouteVersion {
    fileprivate init(_ row: PostgresRow) throws(PostgresError) {
        self.init(
            id: try row.text("version_id"), elements: try row.text("elements"), isValid: try row.bool("is_valid"),
            isActive: try row.bool("is_active"), createdAt: try row.instant("version_created_at")
        )
    }
}

extension DynamicRouteDeployment {
    fileprivate init(_ row: PostgresRow) throws(PostgresError) {
        self.init(
            id: try row.text("deployment_id"), version: try row.text("version_id"),
            createdAt: try row.instant("deployed_at")
        )
    }
}
