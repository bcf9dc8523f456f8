package import GatewayCore
package import PostgresStore

/// What operators do with gateways: list, create, get, update, delete, and the automatic `default` one.
package struct GatewayAdministration: Sendable {
    private static let limitReached = ControlError.invalid([
        FieldProblem(["body", "id"], "This account has reached its limit of gateways")
    ])

    private let gateways: GatewayRepository
    private let tokens: TokenRepository
    private let limits: ProductLimits
    private let egress: EgressRule

    /// - Parameter egress: where exporters of gateways may be.
    package init(
        _ pool: PostgresPool, limits: ProductLimits = ProductLimits(), egress: EgressRule = .publicAddressesOnly
    ) {
        self.egress = egress
        gateways = GatewayRepository(pool)
        tokens = TokenRepository(pool)
        self.limits = limits
    }

    /// - Parameter search: a part of the id.
    package func list(
        of account: AccountID, search: String?, page: PageRequest
    ) async throws(ControlError) -> Page<Gateway> {
        try await storing { try await gateways.list(account, search: search, page: page) }
    }

    package func get(_ id: GatewayID, of account: AccountID) async throws(ControlError) -> Gateway {
        guard let gateway = try await storing({ try await gateways.find(id, of: account) }) else { throw .notFound }
        return gateway
    }

    package func exists(_ id: GatewayID, of account: AccountID) async throws(ControlError) -> Bool {
        try await storing { try await gateways.exists(id, of: account) }
    }

    package func create(
        _ body: JSONValue, of account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<Gateway> {
        let (id, settings) = try GatewayDraft.creation(body, limits: limits, egress: egress)
        return try await create(id, settings, of: account)
    }

    /// Stores a gateway whose settings were checked.
    ///
    /// - Parameter present: gateways that the account has, for one who knows and whom nobody gets ahead of; nil: they are
    ///   counted, which takes the longer the more there are.
    func create(
        _ id: GatewayID, _ settings: GatewaySettings, of account: AccountID, present: Int? = nil
    ) async throws(ControlError) -> ConfigurationWrite<Gateway> {
        let limit = limits.gatewaysPerAccount
        if let present, present >= limit { throw Self.limitReached }
        let written = try await storing {
            do {
                return try await gateways.insert(id, of: account, settings, limit: present == nil ? limit : nil)
            } catch is GatewayRepository.LimitReached {
                throw Self.limitReached
            }
        }
        guard let gateway = written.value else {
            throw .invalid([FieldProblem(["body", "id"], "Gateway already exists")])
        }
        return ConfigurationWrite(value: gateway, version: written.version)
    }

    package func update(
        _ id: GatewayID, of account: AccountID, _ body: JSONValue
    ) async throws(ControlError) -> ConfigurationWrite<Gateway> {
        let written = try await storing {
            try await gateways.update(id, of: account) {
                try GatewayDraft.update(body, of: $0, limits: limits, egress: egress)
            }
        }
        guard let written else { throw .notFound }
        return written
    }

    package func delete(
        _ id: GatewayID, of account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<Gateway> {
        let written = try await storing { try await gateways.delete(id, of: account) }
        guard let gateway = written.value else { throw .notFound }
        return ConfigurationWrite(value: gateway, version: written.version)
    }

    /// Makes the account's `default` gateway when it is missing; returns a version that contains it.
    ///
    /// - Source: data-plane §1.5 · documented: authentication on, logs on, caching and rate limit off.
    package func provisionDefault(of account: AccountID) async throws(ControlError) -> UInt64 {
        guard try await storing({ try await tokens.accountExists(account) }) else { throw .notFound }
        var settings = GatewaySettings(
            cacheInvalidateOnUpdate: true, cacheTTL: 0, collectLogs: true, rateLimitingInterval: 0,
            rateLimitingLimit: 0
        )
        settings.authentication = true
        let initial = settings
        return try await storing { try await gateways.insert(.default, of: account, initial).version }
    }
}
