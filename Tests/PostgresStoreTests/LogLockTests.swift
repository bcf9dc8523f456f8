import GatewayCore
import NIOCore
import PostgresStore
import TestKit
import Testing

@Suite("The order of locks on logs", .timeLimit(.minutes(5)))
struct LogLockTests {
    private static let account = String(repeating: "a", count: 32)

    /// A database with a gateway `g`, whose log is full with one row, and the partitions of January 2026.
    ///
    /// What waits for a lock waits longer than any of these tests is kept from going on.
    private static func database() async throws -> PostgresPool {
        var options = PostgresOptions(url: try await TestDatabase.migrated())
        options.statementTimeout = .seconds(120)
        let pool = PostgresPool(options, size: 6)
        _ = try await pool.query("INSERT INTO accounts (id) VALUES ($1)", [.text(account)])
        _ = try await pool.query(
            """
            INSERT INTO gateways (account_id, id, cache_invalidate_on_update, collect_logs, log_management)
            VALUES ($1, 'g', false, true, 20001), ($1, 'free', false, true, NULL)
            """, [.text(account)])
        _ = try await pool.query(
            "SELECT make_log_partition(t, '2026-01-01') FROM unnest(ARRAY['log_bodies', 'logs']) AS t")
        _ = try await RecordWriter(pool.makeSession()).write(batch(1...5, gateway: "free"))
        return pool
    }

    private static func record(_ number: Int, gateway: String) -> RequestRecord {
        var record = RequestRecord(
            id: LogID(high: UInt64(number) << 16, low: 1), eventID: "e", account: AccountID(account),
            gateway: GatewayID(gateway), createdAt: Instant(milliseconds: 1_767_600_000_000 + Int64(number))
        )
        record.requestBody = ByteBuffer(string: "body")
        return record
    }

    private static func batch(_ numbers: ClosedRange<Int>, gateway: String, rate: Int = 0) -> RecordBatch {
        var batch = RecordBatch(rate: LogRate(limit: rate))
        for number in numbers {
            var encoded = ByteBuffer()
            record(number, gateway: gateway).encode(into: &encoded)
            batch.add(encoded)
        }
        return batch
    }

    /// Returns when a session of the database waits for a lock.
    private static func someoneWaits(_ pool: PostgresPool) async throws {
        let waiting: StaticString = """
            SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
            """
        while try await pool.query(waiting).isEmpty { try await Task.sleep(for: .milliseconds(10)) }
    }

    /// Drops January, as often as it gives up waiting.
    private static func dropJanuary(_ pool: PostgresPool) async throws(PostgresError) -> Int {
        while true {
            do throws(PostgresError) {
                return try await LogPartitions(pool).drop(before: Instant(milliseconds: 1_772_000_000_000))
            } catch {
                guard error.isTransient else { throw error }
            }
        }
    }

    private static func count(_ pool: PostgresPool, _ sql: StaticString) async throws -> Int {
        try await pool.query(sql)[0].int("n")
    }

    @Test("a month goes while its counts are held, however many there are")
    func countsAreLeft() async throws {
        let pool = try await Self.database()
        let other = pool.makeSession()
        try await other.begin()
        _ = try await other.query("SELECT FROM log_counts FOR UPDATE")
        _ = try await other.query("SELECT FROM log_totals FOR UPDATE")
        // Whoever drops a month waits two seconds for a lock and then fails.
        #expect(try await LogPartitions(pool).drop(before: Instant(milliseconds: 1_772_000_000_000)) == 1)
        #expect(try await pool.query("SELECT FROM logs").isEmpty)
        await other.rollback()
        #expect(try await LogPartitions(pool).recount() > 0)
        #expect(try await Self.count(pool, "SELECT sum(rows) AS n FROM log_totals") == 0)
        #expect(try await pool.query("SELECT FROM log_counts").isEmpty)
    }

    @Test("who drops a month does not hold rows while it waits for bodies")
    func writerInBetween() async throws {
        let pool = try await Self.database()
        let writer = pool.makeSession()
        try await writer.begin()
        _ = try await writer.query("LOCK TABLE log_bodies IN ROW EXCLUSIVE MODE")
        async let dropped = Self.dropJanuary(pool)
        try await Self.someoneWaits(pool)
        _ = try await writer.query("SET LOCAL lock_timeout = '500ms'")
        _ = try await writer.query("LOCK TABLE logs IN ROW EXCLUSIVE MODE")
        try await writer.commit()
        #expect(try await dropped == 1)
    }

    @Test("who reads a row before its body is let through by who drops a month")
    func readerInBetween() async throws {
        let pool = try await Self.database()
        let reader = pool.makeSession()
        try await reader.begin()
        #expect(try await reader.query("SELECT FROM logs").count == 5)
        async let dropped = Self.dropJanuary(pool)
        try await Self.someoneWaits(pool)
        // Less than a second, after which the server would find a deadlock and end one of the two.
        _ = try await reader.query("SET LOCAL lock_timeout = '900ms'")
        #expect(try await reader.query("SELECT FROM log_bodies").count == 5)
        try await reader.commit()
        #expect(try await dropped == 1)
    }

    private enum Work: CaseIterable { case deletion, fullLog, repeated }

    @Test("whoever waits for bodies holds no rows", arguments: Work.allCases)
    private func bodiesFirst(_ work: Work) async throws {
        let pool = try await Self.database()
        let dropper = pool.makeSession()
        try await dropper.begin()
        _ = try await dropper.query("LOCK TABLE ONLY log_bodies IN ACCESS EXCLUSIVE MODE")
        let task = Task {
            switch work {
            case .deletion:
                let deletions = LogDeletionRepository(pool)
                try await deletions.request("{}", limit: 1, of: "free", in: AccountID(Self.account))
                _ = try await deletions.step {
                    LogQuery(account: $0.account, gateway: $0.gateway)
                }
            case .fullLog:
                _ = try await RecordWriter(pool.makeSession()).write(Self.batch(11...12, gateway: "g"))
            case .repeated:
                // Counted without a row before, so that it takes the way over the staging table.
                _ = try await pool.query(
                    "INSERT INTO log_refusals VALUES ($1)", [.text(Self.record(11, gateway: "free").id.description)])
                _ = try await RecordWriter(pool.makeSession()).write(Self.batch(11...12, gateway: "free"))
            }
        }
        try await Self.someoneWaits(pool)
        _ = try await dropper.query("LOCK TABLE ONLY logs IN ACCESS EXCLUSIVE MODE NOWAIT")
        await dropper.rollback()
        try await task.value
    }

    private enum Reason: CaseIterable { case fast, full }

    @Test("who waits for the counts of a log holds nothing of the reports", arguments: Reason.allCases)
    private func oneRollUp(_ reason: Reason) async throws {
        let pool = try await Self.database()
        let gateway = reason == .fast ? "free" : "g"
        _ = try await RecordWriter(pool.makeSession()).write(Self.batch(11...12, gateway: gateway))
        if reason == .full {
            _ = try await pool.query("UPDATE gateways SET log_management = 10000 WHERE id = 'g'")
            _ = try await pool.query("UPDATE log_totals SET rows = 9999 WHERE gateway_id = 'g'")
        }
        let other = pool.makeSession()
        try await other.begin()
        _ = try await other.query("SELECT FROM log_totals FOR UPDATE")
        let task = Task {
            try await RecordWriter(pool.makeSession()).write(
                Self.batch(21...30, gateway: gateway, rate: reason == .fast ? 1 : 0))
        }
        try await Self.someoneWaits(pool)
        #expect(try await !other.query("SELECT FROM usage_days FOR UPDATE NOWAIT").isEmpty)
        try await other.commit()
        let outcome = try await task.value
        #expect(outcome.stored == 1 && (reason == .fast ? outcome.dropped : outcome.refused).map(\.records) == [9])
        #expect(try await Self.count(pool, "SELECT sum(requests) AS n FROM usage_days") == 17)
    }

    @Test("nodes that drop records and nodes that do not store side by side")
    func manyNodes() async throws {
        let pool = try await Self.database()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for node in 0..<4 {
                group.addTask {
                    let writer = RecordWriter(pool.makeSession())
                    for round in 0..<15 {
                        let first = 1000 + node * 10_000 + round * 40
                        let batch = Self.batch(first...first + 39, gateway: "free", rate: node % 2 == 0 ? 5 : 0)
                        _ = try await writer.write(batch, .first)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await Self.count(pool, "SELECT sum(requests) AS n FROM usage_days") == 2405)
        #expect(
            try await Self.count(
                pool, "SELECT count(*) + (SELECT count(*) FROM log_refusals) AS n FROM logs") == 2405)
    }
}
