import GatewayCore
import NIOCore
import PostgresStore
import TestKit
import Testing

@Suite("The limits of logs")
struct LogLimitTests {
    private static let account = String(repeating: "a", count: 32)

    /// A database with one gateway, whose log holds `rows` rows and then does as `strategy` says.
    private static func database(_ rows: Int, _ strategy: String?) async throws -> PostgresPool {
        let pool = PostgresPool(url: try await TestDatabase.migrated(), size: 6)
        _ = try await pool.query("INSERT INTO accounts (id) VALUES ($1)", [.text(account)])
        _ = try await pool.query(
            """
            INSERT INTO gateways (account_id, id, cache_invalidate_on_update, collect_logs, log_management,
                log_management_strategy) VALUES ($1, 'g', false, true, $2, $3), ($1, 'free', false, true, NULL, NULL)
            """,
            [.text(account), .int(rows), .text(strategy)]
        )
        return pool
    }

    private static func batch(_ numbers: ClosedRange<Int>, gateway: String = "g") -> RecordBatch {
        RecordBatch(
            numbers.map { number in
                var record = RequestRecord(
                    id: LogID(high: UInt64(number) << 16, low: 1), eventID: "e", account: AccountID(account),
                    gateway: GatewayID(gateway), createdAt: Instant(milliseconds: 1_767_600_000_000 + Int64(number))
                )
                record.requestBody = ByteBuffer(string: "body")
                return record
            }
        )
    }

    private static func count(_ pool: PostgresPool, _ sql: StaticString) async throws -> Int {
        try await pool.query(sql)[0].int("n")
    }

    @Test("a log that stops takes exactly as many rows as it may; the rest is counted in reports and kept nowhere")
    func stops() async throws {
        let pool = try await Self.database(25, "STOP_INSERTING")
        let writer = RecordWriter(pool.makeSession())
        #expect(try await writer.write(Self.batch(1...20)) == RecordOutcome(stored: 20))
        let full = try await writer.write(Self.batch(21...40))
        #expect(full.stored == 5)
        #expect(full.refused == [GatewayTally(account: Self.account, gateway: "g", records: 15)])
        #expect(full.rowless == (26...40).map { LogID(high: UInt64($0) << 16, low: 1).description })
        // The batch comes again after a crash: nothing new, and nothing counted twice, even where there is room now.
        #expect(try await writer.write(Self.batch(21...40)) == RecordOutcome(rowless: full.rowless))
        _ = try await pool.query("UPDATE gateways SET log_management = 100000")
        let roomy = try await writer.write(Self.batch(26...40))
        #expect(roomy.stored == 0 && Set(roomy.rowless) == Set(full.rowless))
        _ = try await pool.query("UPDATE gateways SET log_management = 25")
        #expect(try await Self.count(pool, "SELECT count(*) AS n FROM logs") == 25)
        #expect(try await Self.count(pool, "SELECT count(*) AS n FROM log_bodies") == 25)
        #expect(try await Self.count(pool, "SELECT sum(requests) AS n FROM usage_days") == 40)
        // Other gateways are not concerned, in the same batch either.
        #expect(try await writer.write(Self.batch(41...60, gateway: "free")).stored == 20)
        // Room is used as soon as there is some.
        _ = try await pool.query("DELETE FROM logs WHERE id IN (SELECT id FROM logs WHERE gateway_id = 'g' LIMIT 3)")
        #expect(try await writer.write(Self.batch(61...70)).stored == 3)
        #expect(try await Self.count(pool, "SELECT rows AS n FROM log_totals WHERE gateway_id = 'g'") == 25)
    }

    /// Records of a gateway that all ended in one second.
    private static func second(_ numbers: ClosedRange<Int>, at second: Int64, into batch: inout RecordBatch) {
        for number in numbers {
            var record = RequestRecord(
                id: LogID(high: UInt64(number) << 16, low: 1), eventID: "e", account: AccountID(account), gateway: "g",
                createdAt: Instant(milliseconds: 1_767_600_000_000 + second * 1000 - Int64(number % 900))
            )
            // They began at different times, in seconds before.
            record.duration = .milliseconds(number % 900)
            record.requestBody = ByteBuffer(string: "body")
            var encoded = ByteBuffer()
            record.encode(into: &encoded)
            batch.add(encoded)
        }
    }

    @Test("beyond what a log takes in a second rows are counted in reports, kept nowhere, and dropped once")
    func rate() async throws {
        let pool = try await Self.database(100_000, nil)
        let writer = RecordWriter(pool.makeSession())
        var batch = RecordBatch(rate: LogRate(limit: 10))
        Self.second(1...25, at: 1, into: &batch)
        Self.second(26...30, at: 2, into: &batch)
        let dropped = GatewayTally(account: Self.account, gateway: "g", records: 15)
        let outcome = try await writer.write(batch)
        #expect(outcome.stored == 15 && outcome.dropped == [dropped] && outcome.counted == 0)
        #expect(outcome.rowless == batch.excess && batch.excess.count == 15)
        #expect(try await Self.count(pool, "SELECT count(*) AS n FROM logs") == 15)
        #expect(try await Self.count(pool, "SELECT count(*) AS n FROM log_bodies") == 15)
        #expect(try await Self.count(pool, "SELECT sum(requests) AS n FROM usage_days") == 30)
        // The same batch after a crash, by a control that knows nothing of the second: nothing is new.
        var again = RecordBatch(rate: LogRate(limit: 1000))
        Self.second(1...25, at: 1, into: &again)
        Self.second(26...30, at: 2, into: &again)
        let repeated = try await writer.write(again)
        #expect(repeated.stored == 0 && repeated.dropped.isEmpty && Set(repeated.rowless) == Set(batch.excess))
        #expect(try await Self.count(pool, "SELECT count(*) AS n FROM logs") == 15)
        #expect(try await Self.count(pool, "SELECT sum(requests) AS n FROM usage_days") == 30)
        // The second goes on in the next batch; others, and other gateways, are not concerned.
        batch.removeAll()
        Self.second(31...40, at: 2, into: &batch)
        Self.second(41...50, at: 3, into: &batch)
        let next = try await writer.write(batch)
        #expect(next.stored == 15 && next.dropped.map(\.records) == [5])
        // Nor is a second that is over, when a late record belongs to it.
        batch.removeAll()
        Self.second(51...52, at: 1, into: &batch)
        #expect(try await writer.write(batch).dropped.map(\.records) == [2])
    }

    @Test("a batch of nothing but excess is recognised when it comes again")
    func excessAlone() async throws {
        let pool = try await Self.database(100_000, nil)
        let writer = RecordWriter(pool.makeSession())
        var batch = RecordBatch(rate: LogRate(limit: 10))
        Self.second(1...10, at: 1, into: &batch)
        #expect(try await writer.write(batch, .first).stored == 10)
        batch.removeAll()
        Self.second(11...30, at: 1, into: &batch)
        #expect(try await writer.write(batch, .first).dropped.map(\.records) == [20])
        var again = RecordBatch(rate: LogRate(limit: 10))
        Self.second(11...30, at: 1, into: &again)
        let repeated = try await writer.write(again, .perhapsAgain)
        #expect(repeated.stored == 0 && repeated.dropped.isEmpty)
        #expect(Set(repeated.rowless) == Set(batch.excess))
        // The other way round: what has a row is no excess now.
        var rows = RecordBatch(rate: LogRate(limit: 3))
        Self.second(1...10, at: 1, into: &rows)
        #expect(rows.excess.count == 7)
        let known = try await writer.write(rows, .perhapsAgain)
        #expect(known.stored == 0 && known.dropped.isEmpty)
        #expect(try await Self.count(pool, "SELECT count(*) AS n FROM logs") == 10)
        #expect(try await Self.count(pool, "SELECT sum(requests) AS n FROM usage_days") == 30)
        try await writer.forget(repeated.rowless)
        #expect(try await pool.query("SELECT FROM log_refusals").isEmpty)
    }

    @Test("no log is trimmed by the counts of a month that was dropped a moment ago")
    func droppedMonth() async throws {
        let pool = try await Self.database(30, "DELETE_OLDEST")
        _ = try await pool.query(
            "SELECT make_log_partition(t, '2026-01-01') FROM unnest(ARRAY['log_bodies', 'logs']) AS t")
        let writer = RecordWriter(pool.makeSession())
        // January, and the first of February.
        _ = try await writer.write(Self.batch(1...30))
        _ = try await writer.write(Self.batch(2_332_800_001...2_332_800_010))
        let keeper = FullLogRepository(pool, rowLimit: 1_000_000)
        #expect(try await pool.query("SELECT drop_log_month('2026-01-01') AS d")[0].bool("d"))
        #expect(try await keeper.trim() == 0)
        try await LogPartitions(pool).recount()
        #expect(try await keeper.trim() == 0)
        #expect(try await Self.count(pool, "SELECT count(*) AS n FROM logs") == 10)
        #expect(try await Self.count(pool, "SELECT rows AS n FROM log_totals") == 10)
    }

    @Test("without a limit every second takes everything")
    func noRate() async throws {
        let pool = try await Self.database(100_000, nil)
        var batch = RecordBatch()
        Self.second(1...2000, at: 1, into: &batch)
        #expect(batch.excess.isEmpty)
        #expect(try await RecordWriter(pool.makeSession()).write(batch) == RecordOutcome(stored: 2000))
    }

    @Test("the operator's limit of rows counts where a gateway says more, or nothing")
    func operatorsRows() async throws {
        let pool = try await Self.database(100_000, nil)
        let writer = RecordWriter(pool.makeSession(), rowLimit: 20)
        #expect(try await writer.write(Self.batch(1...25)).stored == 20)
        #expect(try await writer.write(Self.batch(30...60, gateway: "free")).stored == 20)
        _ = try await pool.query("UPDATE gateways SET log_management_strategy = 'DELETE_OLDEST'")
        #expect(try await writer.write(Self.batch(100...130)).stored == 31)
        let keeper = FullLogRepository(pool, rowLimit: 20)
        while try await keeper.trim() > 0 {}
        #expect(try await Self.count(pool, "SELECT rows AS n FROM log_totals WHERE gateway_id = 'g'") == 20)
    }

    @Test("writers of several nodes keep to the limit together")
    func nodes() async throws {
        let pool = try await Self.database(500, nil)
        let outcomes = try await withThrowingTaskGroup(of: [RecordOutcome].self) { group in
            for node in 0..<4 {
                group.addTask {
                    let writer = RecordWriter(pool.makeSession())
                    var outcomes: [RecordOutcome] = []
                    for round in 0..<10 {
                        let first = node * 10_000 + round * 30
                        outcomes.append(try await writer.write(Self.batch(first...first + 29)))
                    }
                    return outcomes
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(outcomes.map(\.stored).reduce(0, +) == 500)
        #expect(outcomes.flatMap(\.refused).map(\.records).reduce(0, +) == 700)
        #expect(try await Self.count(pool, "SELECT count(*) AS n FROM logs") == 500)
        #expect(try await Self.count(pool, "SELECT sum(requests) AS n FROM usage_days") == 1200)
    }

    @Test("a log that deletes its oldest rows ends up with the newest, however many nodes trim it")
    func deletesOldest() async throws {
        let pool = try await Self.database(30, "DELETE_OLDEST")
        let outcome = try await RecordWriter(pool.makeSession()).write(Self.batch(1...5000))
        #expect(outcome == RecordOutcome(stored: 5000))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let logs = FullLogRepository(pool, rowLimit: 10_000_000)
                    while try await Self.count(pool, "SELECT rows AS n FROM log_totals") > 30 {
                        _ = try await logs.trim()
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await Self.count(pool, "SELECT count(*) AS n FROM logs") == 30)
        #expect(try await Self.count(pool, "SELECT count(*) AS n FROM log_bodies") == 30)
        let oldest = try await pool.query("SELECT min(created_at) AS t FROM logs")[0].instant("t")
        #expect(oldest == Instant(milliseconds: 1_767_600_000_000 + 4971))
        #expect(try await FullLogRepository(pool, rowLimit: 10_000_000).trim() == 0)
    }

    @Test("a deletion takes no more than it may, whoever carries it out, and leaves what came later")
    func deletion() async throws {
        let pool = try await Self.database(1_000_000, nil)
        let writer = RecordWriter(pool.makeSession())
        _ = try await writer.write(Self.batch(1...4000))
        let deletions = LogDeletionRepository(pool)
        try await deletions.request("{}", limit: 3500, of: "g", in: AccountID(Self.account))
        try await deletions.request("{}", limit: 10, of: "free", in: AccountID(Self.account))
        _ = try await pool.query(
            "UPDATE logs SET created_at = now() + interval '1 hour' WHERE id = (SELECT min(id) FROM logs)")
        let total = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    // As after a restart: nothing is remembered but in the database.
                    let deletions = LogDeletionRepository(pool)
                    var total = 0
                    while try await Self.count(pool, "SELECT count(*) AS n FROM log_deletions") > 0 {
                        let step = try await deletions.step { deletion in
                            var query = LogQuery(account: deletion.account, gateway: deletion.gateway)
                            query.direction = .asc
                            return query
                        }
                        if case .deleted(let rows) = step {
                            #expect(rows <= 1000)
                            total += rows
                        }
                    }
                    return total
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(total == 3500)
        #expect(try await Self.count(pool, "SELECT count(*) AS n FROM logs") == 500)
        #expect(try await Self.count(pool, "SELECT count(*) AS n FROM logs WHERE created_at > now()") == 1)
        #expect(try await Self.count(pool, "SELECT count(*) AS n FROM log_bodies") == 500)
    }

    @Test("a deletion that cannot be read is given up")
    func unreadable() async throws {
        let pool = try await Self.database(10, nil)
        let deletions = LogDeletionRepository(pool)
        try await deletions.request("{}", limit: 1, of: "g", in: AccountID(Self.account))
        guard case .unreadable = try await deletions.step({ _ in nil }) else {
            Issue.record("it was read")
            return
        }
        #expect(try await deletions.step { _ in nil } == .idle)
    }
}
