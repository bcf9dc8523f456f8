import GatewayCore
import PostgresStore
import TestKit
import Testing

@Suite("Work that fails holds up no other", .timeLimit(.minutes(3)))
struct PostponedWorkTests {
    private static let account = AccountID(String(repeating: "a", count: 32))
    /// A number that PostgreSQL refuses.
    private static let refused = LogCondition(.cost, .equal, [.number("1e-99999")])

    /// A database whose gateways `g` and `h` have one row each.
    private static func database() async throws -> PostgresOptions {
        var options = PostgresOptions(url: try await TestDatabase.migrated())
        options.statementTimeout = .seconds(120)
        let pool = PostgresPool(options, size: 3)
        _ = try await pool.query("INSERT INTO accounts (id) VALUES ($1)", [.text(account.rawValue)])
        for (number, gateway) in ["g", "h"].enumerated() {
            _ = try await pool.query(
                """
                INSERT INTO gateways (account_id, id, cache_invalidate_on_update, collect_logs)
                VALUES ($1, $2, false, true)
                """, [.text(account.rawValue), .text(gateway)])
            let record = RequestRecord(
                id: LogID(high: UInt64(number + 1) << 16, low: 1), eventID: "e", account: account,
                gateway: GatewayID(gateway), createdAt: Instant(milliseconds: 1_767_600_000_000))
            _ = try await RecordWriter(pool.makeSession()).write(RecordBatch([record]))
        }
        return options
    }

    /// A pool of that database whose statements may take a second.
    private static func hasty(_ options: PostgresOptions) -> PostgresPool {
        var options = options
        options.statementTimeout = .milliseconds(1200)
        return PostgresPool(options, size: 1)
    }

    private static func query(_ deletion: LogDeletion) -> LogQuery {
        var query = LogQuery(account: deletion.account, gateway: deletion.gateway)
        query.direction = .asc
        if deletion.selection?.contains("refused") == true { query.conditions = [refused] }
        return query
    }

    @Test("a deletion that the database refuses is given up, and the next is carried out")
    func refusedDeletion() async throws {
        let pool = PostgresPool(try await Self.database(), size: 3)
        let deletions = LogDeletionRepository(pool)
        try await deletions.request(#"{"a":"refused"}"#, limit: 10, of: "g", in: Self.account)
        try await deletions.request("{}", limit: 10, of: "h", in: Self.account)
        guard case .unreadable = try await deletions.step(Self.query) else {
            Issue.record("it was not given up")
            return
        }
        #expect(try await deletions.step(Self.query) == .deleted(rows: 1))
        #expect(try await deletions.step(Self.query) == .idle)
        #expect(try await pool.query("SELECT gateway_id FROM logs").map { try $0.text("gateway_id") } == ["g"])
    }

    @Test("a deletion that finds its rows deleted by somebody else goes on to the next ones")
    func metDeletion() async throws {
        let pool = PostgresPool(try await Self.database(), size: 3)
        let session = pool.makeSession()
        var records: [RequestRecord] = []
        for number in 10..<1510 {
            records.append(
                RequestRecord(
                    id: LogID(high: UInt64(number) << 16, low: 1), eventID: "e", account: Self.account, gateway: "g",
                    createdAt: Instant(milliseconds: 1_767_600_000_000 + Int64(number))))
        }
        _ = try await RecordWriter(session).write(RecordBatch(records))
        let deletions = LogDeletionRepository(pool)
        try await deletions.request("{}", limit: 5000, of: "g", in: Self.account)
        // Trimming takes the oldest thousand at the same moment.
        try await session.begin()
        _ = try await session.query(
            "DELETE FROM logs WHERE id IN (SELECT id FROM logs WHERE gateway_id = 'g' ORDER BY created_at LIMIT 1000)")
        async let step = deletions.step(Self.query)
        let waits: StaticString = """
            SELECT FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE 'WITH doomed%'
            """
        while try await pool.query(waits).isEmpty {}
        try await session.commit()
        #expect(try await step == .deleted(rows: 1000))
        while try await deletions.step(Self.query) != .idle {}
        #expect(try await pool.query("SELECT FROM logs WHERE gateway_id = 'g'").isEmpty)
    }

    @Test("a deletion that takes too long stands back, less and less often tried, and is carried out when it can be")
    func slowDeletion() async throws {
        let options = try await Self.database()
        let pool = PostgresPool(options, size: 3)
        let deletions = LogDeletionRepository(pool)
        try await deletions.request("{}", limit: 10, of: "g", in: Self.account)
        try await deletions.request("{}", limit: 10, of: "h", in: Self.account)
        // Somebody holds the row.
        let other = pool.makeSession()
        try await other.begin()
        _ = try await other.query("SELECT FROM logs WHERE gateway_id = 'g' FOR UPDATE")
        guard case .postponed = try await LogDeletionRepository(Self.hasty(options)).step(Self.query) else {
            Issue.record("it did not stand back")
            return
        }
        let wait = try await pool.query(
            "SELECT not_before - created_at > interval '10 seconds' AS later FROM log_deletions WHERE attempts = 1")
        #expect(try wait.map { try $0.bool("later") } == [true])
        // However long the rest of this takes.
        _ = try await pool.query("UPDATE log_deletions SET not_before = now() + interval '1 day' WHERE attempts = 1")
        #expect(try await deletions.step(Self.query) == .deleted(rows: 1), "the other goes on")
        #expect(try await deletions.step(Self.query) == .idle)
        await other.rollback()
        _ = try await pool.query("UPDATE log_deletions SET not_before = now()")
        #expect(try await deletions.step(Self.query) == .deleted(rows: 1))
        #expect(try await pool.query("SELECT FROM logs").isEmpty)
    }

    private static func evaluation(_ name: String, _ pool: PostgresPool) async throws -> String {
        let types = try await pool.query("SELECT id FROM evaluation_types").map { try $0.text("id") }
        let made = try await EvaluationRepository(pool).insert(
            name, datasets: #"["\#(name)"]"#, types: types, of: "g", in: account)
        return try #require(made).id
    }

    private static func step(_ pool: PostgresPool) async throws -> EvaluationQueue.Step {
        try await EvaluationQueue(pool).step(
            read: { $0.contains("refused") ? [[refused]] : [[]] },
            judge: { _, measures in
                EvaluationFinding(result: "1", status: .completed, description: "", totalLogs: measures.logs)
            })
    }

    @Test("an evaluation that the database refuses is finished as failed, and the next is carried out")
    func refusedEvaluation() async throws {
        let pool = PostgresPool(try await Self.database(), size: 3)
        let first = try await Self.evaluation("refused", pool)
        let second = try await Self.evaluation("fine", pool)
        guard case .failed(first, _) = try await Self.step(pool) else {
            Issue.record("it did not fail")
            return
        }
        #expect(try await Self.step(pool) == .done)
        #expect(try await Self.step(pool) == .idle)
        let repository = EvaluationRepository(pool)
        let failed = try #require(try await repository.find(first, of: "g", in: Self.account))
        #expect(failed.isProcessed && failed.results.allSatisfy { $0.finding.status == .failed })
        #expect(failed.results[0].finding.description == "a filter of the datasets cannot be applied")
        let done = try #require(try await repository.find(second, of: "g", in: Self.account))
        #expect(done.isProcessed && done.totalLogs == 1)
    }

    @Test("an evaluation that takes too long is tried five times, with others in between")
    func slowEvaluation() async throws {
        let options = try await Self.database()
        let pool = PostgresPool(options, size: 3)
        let first = try await Self.evaluation("slow", pool)
        let other = pool.makeSession()
        try await other.begin()
        _ = try await other.query("LOCK TABLE logs IN ACCESS EXCLUSIVE MODE")
        guard case .postponed(first, _) = try await Self.step(Self.hasty(options)) else {
            Issue.record("it did not stand back")
            return
        }
        await other.rollback()
        _ = try await pool.query("UPDATE evaluation_delays SET not_before = now() + interval '1 day'")
        let second = try await Self.evaluation("fine", pool)
        #expect(try await Self.step(pool) == .done)
        #expect(try await Self.step(pool) == .idle, "it is not its time yet")
        let repository = EvaluationRepository(pool)
        #expect(try await repository.find(second, of: "g", in: Self.account)?.isProcessed == true)
        #expect(try await repository.find(first, of: "g", in: Self.account)?.isProcessed == false)

        try await other.begin()
        _ = try await other.query("LOCK TABLE logs IN ACCESS EXCLUSIVE MODE")
        _ = try await pool.query("UPDATE evaluation_delays SET attempts = 4, not_before = now()")
        guard case .failed(first, _) = try await Self.step(Self.hasty(options)) else {
            Issue.record("it is tried for ever")
            return
        }
        await other.rollback()
        let failed = try #require(try await repository.find(first, of: "g", in: Self.account))
        #expect(failed.isProcessed)
        #expect(failed.results[0].finding.description == "the logs of the datasets cannot be read in time")
        #expect(try await pool.query("SELECT FROM evaluation_delays").isEmpty)
    }

    @Test("the pause doubles up to an hour")
    func pauses() async throws {
        let pool = PostgresPool(try await Self.database(), size: 3)
        for (attempts, seconds) in [(0, 10), (1, 10), (2, 20), (5, 160), (9, 2560), (10, 3600), (1_000_000, 3600)] {
            let pause = try await pool.query(
                "SELECT extract(epoch FROM postponement($1::integer))::integer AS s", [.int(attempts)])
            #expect(try pause[0].int("s") == seconds)
        }
    }
}
