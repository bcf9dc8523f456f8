package import GatewayCore
package import PostgresStore

/// What operators do with the datasets of a gateway: live, saved selections of its log.
package struct DatasetAdministration: Sendable {
    private let datasets: DatasetRepository
    private let gateways: GatewayRepository

    package init(_ pool: PostgresPool) {
        datasets = DatasetRepository(pool)
        gateways = GatewayRepository(pool)
    }

    package func list(
        of gateway: GatewayID, in account: AccountID, _ selection: DatasetRepository.Selection, page: PageRequest
    ) async throws(ControlError) -> Page<Dataset> {
        guard try await storing({ try await gateways.exists(gateway, of: account) }) else { throw .notFound }
        return try await storing { try await datasets.list(of: gateway, in: account, selection, page: page) }
    }

    package func get(
        _ id: String, of gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> Dataset {
        try Self.found(try await storing { try await datasets.find(id, of: gateway, in: account) })
    }

    package func create(
        _ body: JSONValue, of gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> Dataset {
        let content = try DatasetDraft.content(body)
        return try Self.found(
            try await naming("Dataset") { try await datasets.insert(content, of: gateway, in: account) }
        )
    }

    package func update(
        _ id: String, of gateway: GatewayID, in account: AccountID, _ body: JSONValue
    ) async throws(ControlError) -> Dataset {
        let content = try DatasetDraft.content(body)
        return try Self.found(
            try await naming("Dataset") { try await datasets.update(id, of: gateway, in: account, content) }
        )
    }

    /// Removes a dataset, and tells what it was; evaluations of it stay as they are.
    package func delete(
        _ id: String, of gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> Dataset {
        try Self.found(try await storing { try await datasets.delete(id, of: gateway, in: account) })
    }

    private static func found(_ dataset: Dataset?) throws(ControlError) -> Dataset {
        guard let dataset else { throw .notFound }
        return dataset
    }
}

/// Does `body`, and tells what its unique and foreign keys refuse: a name that is taken, a gateway that is missing.
func naming<T: Sendable>(_ what: String, _ body: () async throws -> T) async throws(ControlError) -> T {
    try await storing {
        do {
            return try await body()
        } catch let error as PostgresError where error.isUniqueViolation {
            throw ControlError.invalid([FieldProblem(["body", "name"], "\(what) already exists")])
        } catch let error as PostgresError where error.isForeignKeyViolation {
            throw ControlError.notFound
        }
    }
}
