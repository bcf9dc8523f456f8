package import GatewayCore
package import PostgresStore

/// What operators and applications do with a gateway's log.
package struct LogAdministration: Sendable {
    /// Longest wait for this node's spool.
    private static let shippingLimit = Duration.seconds(2)
    /// Milliseconds after which a row has arrived or never will; an answer may have streamed for that long.
    private static let longestRequest: Int64 = 600_000

    private let logs: LogRepository
    /// The same for whole selections.
    private let selections: LogRepository
    private let reading: ReadingPool
    private let deletions: LogDeletionRepository
    private let gateways: GatewayRepository
    private let clock: any WallClock
    private let settlingLimit: Duration
    private let ship: @Sendable (Duration) async -> Void

    /// - Parameters:
    ///   - reading: for lists and ranges.
    ///   - settlingLimit: how long a row of another node is waited for, whose spool is out of our reach.
    ///   - ship: stores what waits in this node's spool, within a time.
    package init(
        _ pool: PostgresPool, reading: ReadingPool, clock: any WallClock, settlingLimit: Duration = .seconds(2),
        ship: @escaping @Sendable (Duration) async -> Void = { _ in }
    ) {
        self.settlingLimit = settlingLimit
        logs = LogRepository(pool)
        selections = LogRepository(reading.pool)
        self.reading = reading
        deletions = LogDeletionRepository(pool)
        gateways = GatewayRepository(pool)
        self.clock = clock
        self.ship = ship
    }

    /// One page of a selection.
    package func list(_ query: LogQuery, page: PageRequest) async throws(ControlError) -> Page<LogEntry> {
        try await requireGateway(query.gateway, of: query.account)
        return try await searching(query.account) { try await selections.list(query, page: page) }
    }

    /// Smallest and largest values over a whole selection.
    package func ranges(_ query: LogQuery) async throws(ControlError) -> LogRanges {
        try await searching(query.account) { try await selections.ranges(query) }
    }

    package func get(
        _ id: String, of gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> (LogEntry, LogHeads) {
        let found = try await settled(id) { try await logs.find(id, of: gateway, in: account) }
        guard let found else { throw .notFound }
        return found
    }

    /// A stored body; `notFound` also when the row exists but its payload was not kept.
    package func body(
        _ side: LogRepository.Side, of id: String, gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> LogBody {
        let found = try await settled(id) {
            if let body = try await logs.body(side, of: id, gateway: gateway, account: account) {
                return LogBody?.some(body)
            }
            // A row without a payload will not get one: no reason to wait.
            if try await logs.find(id, of: gateway, in: account) != nil { throw ControlError.notFound }
            return nil
        }
        guard let found else { throw .notFound }
        return found
    }

    /// Changes feedback, score and metadata of a row.
    package func patch(
        _ id: String, of gateway: GatewayID, in account: AccountID, _ body: JSONValue
    ) async throws(ControlError) {
        let patch = try LogPatch(body)
        let done = try await settled(id) {
            try await logs.patch(id, of: gateway, in: account, patch) ? true : nil
        }
        guard done != nil else { throw .notFound }
    }

    /// Promises to delete up to `limit` of the rows that a selection has now, in its order.
    ///
    /// What this node's clients have their answers of is part of it, wherever it is on its way.
    package func delete(
        _ selection: LogSelection, limit: Int, of gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) {
        try await requireGateway(gateway, of: account)
        // A selection that cannot be carried out is refused now.
        _ = try selection.query(of: gateway, in: account)
        await ship(Self.shippingLimit)
        try await storing {
            try await deletions.request(selection.document.encoded, limit: limit, of: gateway, in: account)
        }
    }

    /// Does `body`, and tells a search that takes longer than a statement may from a database that is away: trying again
    /// would not help.
    private func searching<T: Sendable>(
        _ account: AccountID, _ body: () async throws -> T
    ) async throws(ControlError) -> T {
        try await reading.reading(of: account) {
            do {
                return try await body()
            } catch let error as PostgresError where error.isOverTime {
                throw ControlError.invalid([
                    FieldProblem(["query"], "The search takes too long: narrow it with start_date and end_date")
                ])
            }
        }
    }

    private func requireGateway(_ id: GatewayID, of account: AccountID) async throws(ControlError) {
        guard try await storing({ try await gateways.exists(id, of: account) }) else { throw .notFound }
    }

    /// Reads or changes a row that its client was told of, wherever on its way it is.
    ///
    /// What this node answered is in its spool at the latest when the client has the answer's end, so one look after
    /// shipping the spool is enough; another node's row is waited for, for a short while.
    private func settled<T: Sendable>(
        _ id: String, _ look: () async throws -> T?
    ) async throws(ControlError) -> T? {
        if let found = try await storing(look) { return found }
        guard let made = LogID(id) else { return nil }
        await ship(Self.shippingLimit)
        if let found = try await storing(look) { return found }
        let age = clock.now.milliseconds - Int64(clamping: made.milliseconds)
        guard (-1000..<Self.longestRequest).contains(age) else { return nil }
        let deadline = ContinuousClock.now + settlingLimit
        var pause = Duration.milliseconds(25)
        while ContinuousClock.now < deadline {
            do { try await Task.sleep(for: pause) } catch { return nil }
            pause = min(pause * 2, .milliseconds(200))
            if let found = try await storing(look) { return found }
        }
        return nil
    }
}

extension LogPatch {
    /// Reads the body of a patch call (control-plane.md §4.6 · documented).
    init(_ body: JSONValue) throws(ControlError) {
        self.init()
        var reader = FieldReader(body)
        if let value = reader.member("feedback") {
            if value.isNull || value.integer == 0 {
                // Zero is none: entries show a thumb or null.
                feedback = .clear
            } else if let number = value.integer, (-1...1).contains(number) {
                feedback = .set(number)
            } else {
                reader.report("feedback", "Expected -1, 0, 1 or null")
            }
        }
        if let value = reader.member("score") {
            if value.isNull {
                score = .clear
            } else if let number = value.double, (0...100).contains(number) {
                score = .set(number)
            } else {
                reader.report("score", "Expected a number from 0 to 100 or null")
            }
        }
        if let value = reader.member("metadata") {
            if value.isNull {
                metadata = .clear
            } else if let members = value.members {
                for member in members where member.value.elements != nil || member.value.members != nil {
                    reader.report("metadata", "Value of '\(member.name)' must be a string, number, boolean or null")
                }
                metadata = .set(value.encoded)
            } else {
                reader.report("metadata", "Expected an object")
            }
        }
        try reader.finish()
    }
}
