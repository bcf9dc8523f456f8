package import GatewayCore
import PostgresStore

/// Answers GraphQL questions about an account's requests from the roll-ups (control-plane §15.1 · documented).
package struct AnalyticsAdministration: Sendable {
    /// Datasets of one query; each is a statement.
    private static let maximumDatasets = 20

    private let usage: UsageRepository
    private let reading: ReadingPool
    private let clock: any WallClock
    private let ship: @Sendable (Duration) async -> Void

    /// - Parameter ship: stores what waits in this node's spool, within a time, so that a call that was just answered is
    ///   counted.
    package init(
        _ reading: ReadingPool, clock: any WallClock, ship: @escaping @Sendable (Duration) async -> Void = { _ in }
    ) {
        usage = UsageRepository(reading.pool)
        self.reading = reading
        self.clock = clock
        self.ship = ship
    }

    /// The answer to `{query, variables, operationName}`: `{data, errors}`, of which one is null.
    ///
    /// - Throws: `storeUnavailable` and the like; what is wrong with the question is in the answer.
    package func answer(_ request: JSONValue, account: AccountID) async throws(ControlError) -> JSONValue {
        do {
            return ["data": try await data(request, account), "errors": nil]
        } catch let problem as GraphQLProblem {
            let error: JSONValue = [
                "message": .string(problem.message),
                "path": problem.path.isEmpty ? nil : .array(problem.path.map { .string($0) }),
                "extensions": ["timestamp": .string(Timestamp.text(clock.now))],
            ]
            return ["data": nil, "errors": [error]]
        } catch let error as ControlError {
            throw error
        } catch {
            throw .internalFailure("\(error)")
        }
    }

    private func data(_ request: JSONValue, _ account: AccountID) async throws -> JSONValue {
        guard let text = request["query"]?.text else { throw GraphQLProblem("\"query\" must be a text") }
        let variables = request["variables"] ?? .null
        guard variables.isNull || variables.members != nil else {
            throw GraphQLProblem("\"variables\" must be an object")
        }
        let name = request["operationName"]?.text.flatMap { $0.isEmpty ? nil : $0 }
        let nodes = try GraphQLDocument(parsing: text).nodes(operation: name, variables: variables)
        await ship(.milliseconds(500))
        var datasets = 0
        return try await each(nodes) { node in
            switch node.name {
            case "__typename": return "Query"
            case "__type": return try AnalyticsSchema.type(node)
            case "viewer":
                return try await each(try Self.children(of: node)) { node in
                    switch node.name {
                    case "__typename": return "viewer"
                    case "accounts": return try await accounts(node, account, &datasets)
                    default: throw node.problem("Unknown field \"\(node.name)\" on viewer; there is \"accounts\"")
                    }
                }
            default: throw node.problem("Unknown field \"\(node.name)\"; there is \"viewer\"")
            }
        }
    }

    /// An object with what `value` says of each field.
    private func each(
        _ nodes: [GraphQLNode], _ value: (GraphQLNode) async throws -> JSONValue
    ) async throws -> JSONValue {
        var members: [JSONValue.Member] = []
        for node in nodes { members.append(.init(node.responseName, try await value(node))) }
        return .object(members)
    }

    private static func children(of node: GraphQLNode) throws(GraphQLProblem) -> [GraphQLNode] {
        if node.children.isEmpty { throw node.problem("Field \"\(node.name)\" needs a selection of fields") }
        return node.children
    }

    private func accounts(_ node: GraphQLNode, _ account: AccountID, _ datasets: inout Int) async throws -> JSONValue {
        try node.allowArguments(["filter", "limit"])
        let filter = node.argument("filter") ?? [:]
        for member in filter.members ?? [] {
            let tags =
                switch member.name {
                case "accountTag": [member.value]
                case "accountTag_in": member.value.elements ?? [member.value]
                default: throw node.problem("Unknown filter \"\(member.name)\"; there are accountTag and accountTag_in")
                }
            guard tags.allSatisfy({ $0.text == account.rawValue }) else {
                throw node.problem("not authorized for that account")
            }
        }
        let result = try await each(try Self.children(of: node)) { node in
            switch node.name {
            case "__typename": return "account"
            case "settings": return try AnalyticsSchema.settings(node)
            default:
                guard let dataset = AnalyticsDataset(rawValue: node.name) else {
                    let known = AnalyticsDataset.allCases.map(\.rawValue).joined(separator: ", ")
                    throw node.problem("Unknown dataset \"\(node.name)\"; there are \(known)")
                }
                datasets += 1
                guard datasets <= Self.maximumDatasets else {
                    throw node.problem("A query may ask for \(Self.maximumDatasets) datasets")
                }
                let question = try AnalyticsQuestion(dataset, node, account, now: clock.now)
                return try await rows(question, account)
            }
        }
        return [result]
    }

    private func rows(_ question: AnalyticsQuestion, _ account: AccountID) async throws -> JSONValue {
        if question.dataset == .size {
            let sizes = try await reading.reading(of: account) { try await usage.logSizes(question.query) }
            return question.sizes(sizes)
        }
        let groups = try await reading.reading(of: account) { try await usage.groups(question.query) }
        var quantiles: [[String]: UsageQuantiles] = [:]
        if question.needsQuantiles, !groups.isEmpty {
            let shares = DurationQuantile.allCases.map(\.share)
            let found = try await reading.reading(of: account) {
                try await usage.quantiles(question.query, of: groups, shares: shares)
            }
            for entry in found { quantiles[entry.values] = entry }
        }
        return .array(groups.map { question.row($0, quantiles[$0.values]) })
    }
}
