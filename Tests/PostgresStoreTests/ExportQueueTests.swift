import GatewayCore
import PostgresStore
import TestKit
import Testing

@Suite("The queue of exports", .timeLimit(.minutes(3)))
struct ExportQueueTests {
    private static let account = AccountID(String(repeating: "a", count: 32))

    private static func database() async throws -> PostgresPool {
        let pool = PostgresPool(url: try await TestDatabase.migrated(), size: 2)
        _ = try await pool.query("INSERT INTO accounts (id) VALUES ($1)", [.text(account.rawValue)])
        return pool
    }

    private static func gateway(_ id: String, otel: String?, in pool: PostgresPool) async throws {
        _ = try await pool.query(
            """
            INSERT INTO gateways (account_id, id, cache_invalidate_on_update, collect_logs, otel, logpush)
            VALUES ($1, $2, false, true, $3, true)
            """, [.text(account.rawValue), .text(id), .json(otel)])
    }

    /// Stores requests `numbers` of a gateway, as control does.
    private static func settle(_ numbers: ClosedRange<Int>, of gateway: String, in pool: PostgresPool) async throws {
        let records = numbers.map { number in
            RequestRecord(
                id: LogID(high: UInt64(number) << 16, low: 1), eventID: "e", account: account,
                gateway: GatewayID(gateway), createdAt: Instant(milliseconds: 1_767_600_000_000 + Int64(number)))
        }
        let outcome = try await RecordWriter(pool.makeSession()).write(RecordBatch(records))
        #expect(outcome.stored == numbers.count)
    }

    /// Puts rows into the queue whose logs are nowhere.
    private static func pile(
        _ count: Int, of gateway: String, for target: String, in pool: PostgresPool
    ) async throws {
        _ = try await pool.query(
            """
            INSERT INTO export_queue (account_id, gateway_id, target, log_id, created_at)
            SELECT $1, $2, $3, 'gone-' || n, now() FROM generate_series(1, $4::integer) AS n
            """, [.text(account.rawValue), .text(gateway), .text(target), .int(count)])
    }

    private static func rows(_ pool: PostgresPool) async throws -> Int {
        try await pool.query("SELECT count(*) AS n FROM export_queue")[0].int("n")
    }

    @Test("of thirty thousand exporters in a gateway's row five count")
    func cap() async throws {
        let pool = try await Self.database()
        let entries = (0..<30_000).map { #"{"url":"https://o.example/\#($0)","headers":{}}"# }
        try await Self.gateway("g", otel: "[" + entries.joined(separator: ",") + "]", in: pool)
        try await Self.settle(1...20, of: "g", in: pool)
        #expect(try await Self.rows(pool) == 100)
        let receivers = try await ExportQueue(pool.makeSession()).receivers()
        #expect(receivers.count == 5)
    }

    @Test(
        "what is no list of exporters queues nothing",
        arguments: ["{}", "7", "[]", "[1,null,\"x\"]", #"[{"headers":{}}]"#, #"[{"url":null}]"#])
    func unreadable(otel: String) async throws {
        let pool = try await Self.database()
        try await Self.gateway("g", otel: otel, in: pool)
        try await Self.settle(1...2, of: "g", in: pool)
        #expect(try await Self.rows(pool) == 0)
    }

    @Test("of two exporters with one URL each gets every request once")
    func twins() async throws {
        let pool = try await Self.database()
        let twin = #"{"url":"https://o.example/","headers":{"x":"\#("1")"}}"#
        let other = twin.replacing("\"1\"", with: "\"2\"")
        try await Self.gateway("g", otel: "[\(twin),\(other)]", in: pool)
        try await Self.settle(1...3, of: "g", in: pool)
        let queue = ExportQueue(pool.makeSession())
        let receivers = try await queue.receivers()
        #expect(Set(receivers.map(\.target)).count == 2)
        #expect(receivers.first?.kind != receivers.last?.kind, "each is served with its own settings")
        for receiver in receivers {
            let batch = try await queue.next(for: receiver, atMost: 10)
            #expect(batch.requests.count == 3)
            try await queue.remove(batch.requests.map(\.queueID))
        }
        #expect(try await Self.rows(pool) == 0)
    }

    @Test("a gateway's rows are found without reading the backlog of another with the same exporter")
    func backlog() async throws {
        let pool = try await Self.database()
        let otel = #"[{"url":"https://o.example/","headers":{}}]"#
        try await Self.gateway("busy", otel: otel, in: pool)
        try await Self.gateway("idle", otel: otel, in: pool)
        try await Self.settle(1...1, of: "idle", in: pool)
        let target = try await pool.query("SELECT target FROM export_queue")[0].text("target")
        // On both sides of the idle one's, by name and by number.
        try await Self.pile(60_000, of: "busy", for: target, in: pool)
        try await Self.pile(60_000, of: "z", for: target, in: pool)
        try await Self.settle(2...2, of: "idle", in: pool)
        _ = try await pool.query("ANALYZE export_queue")
        let session = pool.makeSession()
        let queue = ExportQueue(session)
        func read() async throws -> Int {
            _ = try await session.query("SELECT pg_stat_force_next_flush()")
            return try await session.query(
                """
                SELECT seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = t.relname) AS n
                FROM pg_stat_user_tables t WHERE relname = 'export_queue'
                """)[0].int("n")
        }
        let before = try await read()
        let receivers = try await queue.receivers()
        #expect(receivers.map(\.gateway) == ["busy", "idle"])
        let idle = try #require(receivers.last)
        let batch = try await queue.next(for: idle, atMost: 100)
        #expect(batch.requests.map(\.gateway) == ["idle", "idle"])
        #expect(try await queue.next(for: idle, after: batch.last ?? 0, atMost: 100).last == nil)
        #expect(try await read() - before < 100, "only a few rows were looked at")
    }

    @Test("rows whose log is gone leave the queue, batch by batch, and are told from an end")
    func orphans() async throws {
        let pool = try await Self.database()
        try await Self.gateway("g", otel: #"[{"url":"https://o.example/","headers":{}}]"#, in: pool)
        try await Self.settle(1...1, of: "g", in: pool)
        let queue = ExportQueue(pool.makeSession())
        let receiver = try #require(try await queue.receivers().first)
        _ = try await pool.query("DELETE FROM export_queue")
        try await Self.pile(150, of: "g", for: receiver.target, in: pool)
        let first = try await queue.next(for: receiver, atMost: 100)
        #expect(first.requests.isEmpty)
        let last = try #require(first.last, "there may be more behind them")
        #expect(try await Self.rows(pool) == 50)
        #expect(try await queue.next(for: receiver, after: last, atMost: 100).last != nil)
        #expect(try await Self.rows(pool) == 0)
        #expect(try await queue.next(for: receiver, atMost: 100).last == nil)
    }

    @Test("what nobody takes goes in pieces, and what somebody waits for stays")
    func pruning() async throws {
        let pool = try await Self.database()
        try await Self.gateway("g", otel: #"[{"url":"https://o.example/","headers":{}}]"#, in: pool)
        try await Self.settle(1...4, of: "g", in: pool)
        _ = try await pool.query(
            "UPDATE export_queue SET queued_at = now() - interval '73 hours' WHERE id = (SELECT min(id) FROM export_queue)"
        )
        try await Self.pile(7000, of: "g", for: "otel:nobody", in: pool)
        try await Self.pile(10, of: "no-gateway", for: "otel:nobody", in: pool)
        let queue = ExportQueue(pool.makeSession())
        var pieces: [Int] = []
        repeat { pieces.append(try await queue.prune()) } while pieces.last != 0 && pieces.count < 9
        #expect(pieces == [5001, 2010, 0])
        #expect(try await Self.rows(pool) == 3)
    }

    @Test("a Logpush job goes at once, whatever waits for it, and its rows go by and by")
    func job() async throws {
        let pool = try await Self.database()
        try await Self.gateway("g", otel: nil, in: pool)
        let jobs = LogpushJobRepository(pool)
        let change = LogpushJobRepository.Change(name: "j", enabled: true, destination: ([1], "p"))
        var made: [Int] = []
        for _ in 0..<2 { made.append(try #require(try await jobs.insert(change, limit: 4, of: Self.account)).id) }
        try await Self.settle(1...3, of: "g", in: pool)
        let queue = ExportQueue(pool.makeSession())
        let kinds = made.map { ExportReceiver.Kind.logpush(job: $0, destination: [1]) }
        #expect(try await queue.receivers().map(\.kind) == kinds)
        try await Self.pile(6000, of: "g", for: "logpush:\(made[0])", in: pool)
        #expect(try await jobs.delete(made[0], of: Self.account))
        #expect(try await Self.rows(pool) == 6006, "nothing of the queue is part of the call")
        #expect(try await queue.receivers().map(\.target) == ["logpush:\(made[1])"])
        #expect(try await queue.prune() == 5000)
        #expect(try await queue.prune() == 1003)
        #expect(try await queue.prune() == 0)
        let receiver = try #require(try await queue.receivers().first)
        #expect(try await queue.next(for: receiver, atMost: 10).requests.count == 3)
    }
}
