import GatewayCore
import PostgresStore
import TestKit
import Testing

@Suite("The list of logs")
struct LogListTests {
    private static let account = AccountID(String(repeating: "a", count: 32))
    /// 2026-01-31 22:00 UTC: the rows cross a month, and a partition's border.
    private static let origin: Int64 = 1_769_896_800_000_000

    private static func filled(_ rows: Int) async throws -> PostgresPool {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        _ = try await pool.query(
            "SELECT make_log_partition(t, '2026-02-10') FROM unnest(ARRAY['logs', 'log_bodies']) AS t"
        )
        // Many rows share an instant, and a few hours are empty.
        _ = try await pool.query(
            """
            INSERT INTO logs (id, created_at, event_id, account_id, gateway_id, provider, model, model_type, path, method,
                request_type, status_code, success, cached, step, duration_us, custom_cost, request_size, response_size,
                request_complete, response_complete, streamed, authenticated, cost)
            SELECT 'id-' || lpad(n::text, 6, '0'),
                to_timestamp($3) + (h % 6) * (h % 5) * interval '37 minutes' + (h % 40) * interval '1 second', 'e', $1,
                CASE WHEN h % 17 = 0 THEN 'other' ELSE 'g' END, (ARRAY['openai', 'anthropic', 'Groq'])[1 + h % 3],
                'model-' || h % 4, (ARRAY['chat', 'embeddings', NULL])[1 + h / 7 % 3], 'p', 'POST', 'native', 200,
                h % 5 <> 0, h % 4 = 0, 0, 1, false, 0, 0, true, true, false, true, h % 100
            FROM (SELECT n, abs(hashint4(n)) AS h FROM generate_series(1, $2::integer) n) r
            """,
            [.text(account.rawValue), .int(rows), .int(Int(origin / 1_000_000))]
        )
        return pool
    }

    /// The same selection in a form that the counts cannot answer.
    private static func searched(_ query: LogQuery) -> LogQuery {
        var query = query
        query.conditions.append(LogCondition(.id, .notEqual, [.text("nothing")]))
        return query
    }

    @Test("what counts tell is what a search finds: rows, order, pages and totals", arguments: [1, 2, 3, 4])
    func counted(seed: UInt64) async throws {
        let pool = try await Self.filled(400)
        let logs = LogRepository(pool)
        var random = SeededGenerator(seed)
        for _ in 0..<60 {
            var query = LogQuery(account: Self.account, gateway: "g")
            query.order = [.createdAt, .provider, .model, .modelType, .success, .cached].randomElement(using: &random)!
            query.direction = [.asc, .desc].randomElement(using: &random)!
            let choices: [LogCondition] = [
                LogCondition(.provider, .equal, [.text("openai"), .text("Groq")]),
                LogCondition(.provider, .notEqual, [.text("openai")]),
                LogCondition(.model, .contains, [.text("EL-1")]), LogCondition(.model, .less, [.text("model-2")]),
                LogCondition(.modelType, .equal, [.unset]), LogCondition(.modelType, .notEqual, [.text("chat")]),
                LogCondition(.success, .equal, [.bool(false)]), LogCondition(.cached, .equal, [.bool(true), .unset]),
                LogCondition(.provider, .equal, []),
            ]
            query.conditions = choices.filter { _ in Int.random(in: 0..<6, using: &random) == 0 }
            for operation in [LogCondition.Operation.atLeast, .greater, .less, .atMost] {
                guard Int.random(in: 0..<3, using: &random) == 0 else { continue }
                // Whole hours, instants of rows, and others.
                let step: Int64 = [3_600_000_000, 37 * 60_000_000, 1].randomElement(using: &random)!
                let instant = Self.origin + Int64.random(in: -2...20, using: &random) * step
                query.conditions.append(
                    LogCondition(.createdAt, operation, [.instant(Instant(microseconds: instant))]))
            }
            let size = Int.random(in: 1...50, using: &random)
            for number in [1, 2, Int.random(in: 1...10, using: &random)] {
                let page = PageRequest(number: number, size: size)
                let found = try await logs.list(query, page: page)
                let expected = try await logs.list(Self.searched(query), page: page)
                #expect(found.items == expected.items, "\(query) \(page)")
                #expect(found.total == expected.total, "\(query) \(page)")
                #expect(found.certainty == .exact)
            }
        }
    }

    @Test("pages of one list hold every row once")
    func pages() async throws {
        let pool = try await Self.filled(500)
        let logs = LogRepository(pool)
        for order in LogQuery.Order.allCases {
            var query = LogQuery(account: Self.account, gateway: "g")
            query.order = order
            var seen: [String] = []
            var number = 1
            while true {
                let page = try await logs.list(query, page: PageRequest(number: number, size: 33))
                if page.items.isEmpty { break }
                seen += page.items.map(\.id)
                number += 1
            }
            #expect(Set(seen).count == seen.count, "\(order)")
            #expect(seen.count == (try await logs.list(query, page: PageRequest()).total), "\(order)")
        }
        let beyond = PageRequest(number: 1_000_000_000, size: 50)
        #expect(try await logs.list(LogQuery(account: Self.account, gateway: "g"), page: beyond).items.isEmpty)
    }

    @Test("what cannot be counted in time is told as a lower bound")
    func patience() async throws {
        let pool = try await Self.filled(300)
        // A table whose every row takes a millisecond.
        var query = LogQuery(account: Self.account, gateway: "g")
        query.search = "model"
        let page = try await LogRepository(pool).list(query, page: PageRequest(number: 2, size: 10))
        #expect(page.certainty == .exact)
        _ = try await pool.query(
            """
            CREATE FUNCTION slow(text) RETURNS text LANGUAGE plpgsql VOLATILE AS
            'BEGIN PERFORM pg_sleep(0.001); RETURN $1; END'
            """
        )
        _ = try await pool.query("ALTER TABLE logs RENAME TO real_logs")
        _ = try await pool.query(
            "CREATE VIEW logs AS SELECT * FROM real_logs WHERE slow(id) IS NOT NULL"
        )
        let slow = try await LogRepository(pool).list(
            query, page: PageRequest(number: 2, size: 10), patience: .milliseconds(50)
        )
        #expect(slow.items == page.items)
        #expect(slow.certainty == .atLeast)
        #expect(slow.total == 20)
    }
}

/// The same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
