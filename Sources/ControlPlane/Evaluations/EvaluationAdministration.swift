package import GatewayCore
package import PostgresStore

/// What operators do with the evaluations of a gateway: ask for one, look at it, remove it.
///
/// An evaluation is a snapshot: `EvaluationRunner` carries it out once, over the logs that were there when it was made.
package struct EvaluationAdministration: Sendable {
    private static let maximumTypes = 100

    private let evaluations: EvaluationRepository
    private let datasets: DatasetRepository
    private let gateways: GatewayRepository
    private let mostDatasets: Int
    private let ship: @Sendable (Duration) async -> Void

    /// - Parameters:
    ///   - mostDatasets: over which one evaluation may be.
    ///   - ship: stores what waits in this node's spool, within a time.
    package init(
        _ pool: PostgresPool, mostDatasets: Int = 5, ship: @escaping @Sendable (Duration) async -> Void = { _ in }
    ) {
        self.mostDatasets = mostDatasets
        evaluations = EvaluationRepository(pool)
        datasets = DatasetRepository(pool)
        gateways = GatewayRepository(pool)
        self.ship = ship
    }

    /// What can be measured, mandatory measures first or last.
    package func types(_ direction: LogQuery.Direction) async throws(ControlError) -> [EvaluationType] {
        try await storing { try await evaluations.types(direction) }
    }

    package func list(
        of gateway: GatewayID, in account: AccountID, _ selection: EvaluationRepository.Selection, page: PageRequest
    ) async throws(ControlError) -> Page<Evaluation> {
        try await storing { try await evaluations.list(of: gateway, in: account, selection, page: page) }
    }

    package func get(
        _ id: String, of gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> Evaluation {
        let found = try await storing { try await evaluations.find(id, of: gateway, in: account) }
        guard let found else { throw .notFound }
        return found
    }

    /// Asks for an evaluation; mandatory measures are part of it whether they are asked for or not.
    package func create(
        _ body: JSONValue, of gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> Evaluation {
        var reader = FieldReader(body)
        let name = reader.requiredString("name", lengths: 1...256)
        let wantedDatasets = Self.ids(&reader, "dataset_ids", 1...max(1, mostDatasets))
        let wantedTypes = Self.ids(&reader, "evaluation_type_ids", 0...Self.maximumTypes)
        try reader.finish()
        guard try await storing({ try await gateways.exists(gateway, of: account) }) else { throw .notFound }
        var chosen: [JSONValue] = []
        for (index, id) in wantedDatasets.enumerated() {
            if let dataset = try await storing({ try await datasets.find(id, of: gateway, in: account) }) {
                if !wantedDatasets[..<index].contains(id) { chosen.append(dataset.document) }
            } else {
                reader.report("dataset_ids", "Dataset '\(id)' was not found")
            }
        }
        let known = try await types(.desc)
        for id in wantedTypes where !known.contains(where: { $0.id == id }) {
            reader.report("evaluation_type_ids", "Evaluation type '\(id)' was not found")
        }
        try reader.finish()
        let measured = known.filter { $0.isMandatory || wantedTypes.contains($0.id) }.map(\.id)
        await ship(.seconds(2))
        let made = try await naming("Evaluation") { [chosen] in
            try await evaluations.insert(
                name, datasets: JSONValue.array(chosen).encoded, types: measured, of: gateway, in: account
            )
        }
        guard let made else { throw .notFound }
        return made
    }

    /// Removes an evaluation, and tells what it was.
    package func delete(
        _ id: String, of gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> Evaluation {
        let found = try await storing { try await evaluations.delete(id, of: gateway, in: account) }
        guard let found else { throw .notFound }
        return found
    }

    private static func ids(_ reader: inout FieldReader, _ name: String, _ counts: ClosedRange<Int>) -> [String] {
        guard let value = reader.member(name, .required) else { return [] }
        guard let elements = value.elements else {
            reader.report(name, "Expected an array")
            return []
        }
        guard counts.contains(elements.count) else {
            reader.report(name, "Array must contain \(counts.lowerBound) to \(counts.upperBound) element(s)")
            return []
        }
        let ids = elements.compactMap(\.text)
        guard ids.count == elements.count, ids.allSatisfy({ $0.utf8.count <= 256 && !$0.utf8.contains(0) }) else {
            reader.report(name, "Expected ids")
            return []
        }
        return ids
    }
}
