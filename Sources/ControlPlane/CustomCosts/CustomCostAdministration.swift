package import GatewayCore
package import PostgresStore

/// What operators do with the prices of their own providers' models (control-plane.md §8.2).
package struct CustomCostAdministration: Sendable {
    private let costs: CustomCostRepository

    package init(_ pool: PostgresPool) { costs = CustomCostRepository(pool) }

    package func list(
        of account: AccountID, _ selection: CustomCostRepository.Selection, page: PageRequest
    ) async throws(ControlError) -> Page<CustomCost> {
        try await storing { try await costs.list(of: account, selection, page: page) }
    }

    package func get(_ id: String, of account: AccountID) async throws(ControlError) -> CustomCost {
        guard let cost = try await storing({ try await costs.find(id, of: account) }) else { throw .notFound }
        return cost
    }

    package func create(
        _ body: JSONValue, of account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<CustomCost> {
        let settings = try CustomCostDraft.creation(body)
        return try await create(settings, for: settings.provider, of: account)
    }

    /// Stores a cost that was checked.
    func create(
        _ checked: CustomCostSettings, for provider: String, of account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<CustomCost> {
        var complete = checked
        complete.provider = provider
        let settings = complete
        let id = try Identifier.uuid()
        return try await refusing { try await costs.insert(id, of: account, settings) }
    }

    package func update(
        _ id: String, of account: AccountID, _ body: JSONValue
    ) async throws(ControlError) -> ConfigurationWrite<CustomCost> {
        try await replace(id, of: account) { current throws(ControlError) in
            try CustomCostDraft.update(body, of: current)
        }
    }

    /// Replaces a cost by one that was checked.
    func replace(
        _ id: String, _ checked: CustomCostSettings, for provider: String, of account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<CustomCost> {
        try await replace(id, of: account) { _ throws(ControlError) in
            var complete = checked
            complete.provider = provider
            return complete
        }
    }

    private func replace(
        _ id: String, of account: AccountID, _ change: (CustomCostSettings) throws(ControlError) -> CustomCostSettings
    ) async throws(ControlError) -> ConfigurationWrite<CustomCost> {
        let written = try await refusing { try await costs.update(id, of: account) { try change($0) } }
        guard let written else { throw .notFound }
        return written
    }

    package func delete(
        _ id: String, of account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<CustomCost> {
        let written = try await storing { try await costs.delete(id, of: account) }
        guard let cost = written.value else { throw .notFound }
        return ConfigurationWrite(value: cost, version: written.version)
    }

    private func refusing<T: Sendable>(_ body: () async throws -> T) async throws(ControlError) -> T {
        try await storing {
            do {
                return try await body()
            } catch is CustomCostRepository.NoSuchProvider {
                throw ControlError.invalid([
                    FieldProblem(["body", "account_provider_id"], "Custom provider was not found")
                ])
            }
        }
    }
}
