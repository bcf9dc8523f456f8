import GatewayCore
import PostgresStore
import TestKit
import Testing

@Suite("The counts of logs")
struct LogCountTests {
    private static func database() async throws -> PostgresPool {
        PostgresPool(url: try await TestDatabase.migrated())
    }

    private static func insert(_ count: Int, at time: String, table: Table = .logs, into pool: PostgresPool)
        async throws
    {
        var sql: PostgresQuery =
            switch table {
            case .logs: PostgresQuery("INSERT INTO logs ")
            case .january: PostgresQuery("INSERT INTO logs_202601 ")
            }
        sql.append(
            """
            (id, created_at, event_id, account_id, gateway_id, provider, model, path, method,
                request_type, status_code, success, cached, step, duration_us, custom_cost, request_size, response_size,
                request_complete, response_complete, streamed, authenticated)
            SELECT gen_random_uuid()::text,
            """
        )
        sql.append(" ", value: .text(time), "::timestamptz, 'e', 'a', 'g-' || n % 2, 'p', 'm-' || n % 3, 'p', 'POST', ")
        sql.append("'native', 200, true, false, 0, 1, false, 0, 0, true, true, false, true FROM generate_series(1, ")
        sql.append("", value: .int(count), "::integer) n")
        _ = try await pool.query(sql)
    }

    private enum Table { case logs, january }

    /// Whether both tables of counts say what the rows say.
    private static func areRight(_ pool: PostgresPool) async throws -> Bool {
        let wrong = try await pool.query(
            """
            SELECT count(*) AS n FROM (
                SELECT account_id, gateway_id, date_trunc('hour', created_at, 'UTC') AS hour, provider, model, count(*) AS rows
                FROM logs GROUP BY 1, 2, 3, 4, 5
            ) l
            FULL JOIN (SELECT * FROM log_counts WHERE rows <> 0) c USING (account_id, gateway_id, hour, provider, model)
            WHERE l.rows IS DISTINCT FROM c.rows
            """
        )
        let totals = try await pool.query(
            """
            SELECT count(*) AS n FROM (SELECT account_id, gateway_id, count(*) AS rows FROM logs GROUP BY 1, 2) l
            FULL JOIN (SELECT * FROM log_totals WHERE rows <> 0) t USING (account_id, gateway_id)
            WHERE l.rows IS DISTINCT FROM t.rows
            """
        )
        return try wrong[0].int("n") == 0 && totals[0].int("n") == 0
    }

    @Test("follow rows that come, change and go, whichever table a statement names")
    func statements() async throws {
        let pool = try await Self.database()
        _ = try await pool.query("SELECT make_log_partition('logs', '2026-01-01')")
        try await Self.insert(50, at: "2026-01-05T10:30:00Z", into: pool)
        try await Self.insert(50, at: "2026-01-05T11:30:00Z", table: .january, into: pool)
        // No partition: the default one.
        try await Self.insert(30, at: "2025-05-05T11:30:00Z", into: pool)
        #expect(try await Self.areRight(pool))
        #expect(try await pool.query("SELECT sum(rows) AS n FROM log_totals")[0].int("n") == 130)
        _ = try await pool.query("UPDATE logs SET model = 'm-9' WHERE model = 'm-1'")
        #expect(try await Self.areRight(pool))
        _ = try await pool.query("UPDATE logs SET feedback = 1")
        #expect(try await Self.areRight(pool))
        _ = try await pool.query("DELETE FROM logs WHERE gateway_id = 'g-0' AND model = 'm-2'")
        _ = try await pool.query("DELETE FROM logs_202601 WHERE model = 'm-9'")
        #expect(try await Self.areRight(pool))
        #expect(try await pool.query("SELECT 1 FROM log_counts WHERE rows <= 0").isEmpty)
        _ = try await pool.query("TRUNCATE logs")
        #expect(try await Self.areRight(pool))
        try await Self.insert(3, at: "2026-01-05T10:30:00Z", into: pool)
        #expect(try await Self.areRight(pool))
    }

    @Test("stay right when a partition takes rows over, when a month is dropped, and when it is dropped by hand")
    func partitions() async throws {
        let pool = try await Self.database()
        try await Self.insert(20, at: "2025-05-05T11:30:00Z", into: pool)
        try await Self.insert(20, at: "2025-06-05T11:30:00Z", into: pool)
        try await Self.insert(20, at: "2025-07-05T11:30:00Z", into: pool)
        for month in ["2025-05-01", "2025-06-01"] {
            _ = try await pool.query(
                "SELECT make_log_partition(t, $1::date) FROM unnest(ARRAY['logs', 'log_bodies']) AS t", [.text(month)]
            )
        }
        #expect(try await Self.areRight(pool))
        let partitions = LogPartitions(pool)
        // The end of May, a microsecond too early and in time.
        let june = Int64(1_748_736_000_000_000)
        #expect(try await partitions.drop(before: Instant(microseconds: june - 1)) == 0)
        #expect(try await partitions.drop(before: Instant(microseconds: june)) == 1)
        #expect(try await pool.query("SELECT count(*) AS n FROM logs")[0].int("n") == 40)
        #expect(try await partitions.recount() > 0)
        #expect(try await Self.areRight(pool))
        #expect(try await partitions.recount() == 0)
        // The month may begin anew, and go again, before the space of the old one is given back.
        for table in ["logs", "log_bodies"] {
            let made = try await pool.query(
                "SELECT make_log_partition($1, '2025-05-01') AS made", [.text(table)])
            #expect(try made[0].bool("made"))
        }
        try await Self.insert(5, at: "2025-05-05T11:30:00Z", into: pool)
        #expect(try await Self.areRight(pool))
        #expect(try await partitions.drop(before: Instant(microseconds: june)) == 1)
        try await partitions.recount()
        #expect(try await Self.areRight(pool))
        #expect(try await partitions.removeDropped() == 4)
        #expect(try await partitions.removeDropped() == 0)
        #expect(try await pool.query("SELECT FROM pg_class WHERE relname LIKE 'dropped%'").isEmpty)
        #expect(try await pool.query("SELECT count(*) AS n FROM logs")[0].int("n") == 40)
        _ = try await pool.query("DROP TABLE logs_202506, log_bodies_202506")
        #expect(try await !Self.areRight(pool))
        #expect(try await partitions.sweepCounts() == 1)
        #expect(try await Self.areRight(pool))
        #expect(try await partitions.sweepCounts() == 0)
        #expect(try await pool.query("SELECT sum(rows) AS n FROM log_totals")[0].int("n") == 20)
    }

    @Test(
        "the counts of a dropped month go in pieces, and those of rows that came since stay", arguments: [false, true])
    func pieces(isMadeAgain: Bool) async throws {
        let pool = try await Self.database()
        _ = try await pool.query("SELECT make_log_partition('logs', '2026-01-01')")
        for hour in ["03:00", "03:30", "04:10", "09:00", "23:59"] {
            try await Self.insert(30, at: "2026-01-05T\(hour):00Z", into: pool)
        }
        try await Self.insert(30, at: "2026-02-01T00:00:00Z", into: pool)
        #expect(try await pool.query("SELECT drop_log_month('2026-01-01') AS d")[0].bool("d"))
        #expect(try await !Self.areRight(pool))
        #expect(try await pool.query("SELECT 1 FROM stale_log_months()").isEmpty, "it is noted already")
        func piece() async throws -> Bool {
            try await pool.query("SELECT recount_log_piece(6) AS done")[0].bool("done")
        }
        // Late rows, of hours that are done, that are not, and that nobody counted.
        #expect(try await piece())
        #expect(try await piece())
        if isMadeAgain { _ = try await pool.query("SELECT make_log_partition('logs', '2026-01-01')") }
        for hour in ["03:00", "04:20", "22:00", "23:59"] {
            try await Self.insert(20, at: "2026-01-05T\(hour):00Z", into: pool)
        }
        var pieces = 2
        while try await piece() { pieces += 1 }
        #expect(pieces > 4)
        #expect(try await Self.areRight(pool))
        #expect(try await pool.query("SELECT FROM log_recounts").isEmpty)
        #expect(try await pool.query("SELECT sum(rows) AS n FROM log_totals")[0].int("n") == 110)
    }

    @Test("a month is recounted while rows of it, and of others, are stored")
    func busyRecount() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated(), size: 6)
        for month in ["2026-01-01", "2026-02-01"] {
            _ = try await pool.query("SELECT make_log_partition('logs', $1::date)", [.text(month)])
        }
        for hour in 10..<20 { try await Self.insert(40, at: "2026-01-05T\(hour):00:00Z", into: pool) }
        #expect(try await pool.query("SELECT drop_log_month('2026-01-01') AS d")[0].bool("d"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<4 {
                group.addTask {
                    for round in 0..<15 {
                        let month = writer == 0 ? "02" : "01"
                        try await Self.insert(4, at: "2026-\(month)-05T\(10 + round % 10):00:00Z", into: pool)
                    }
                }
            }
            group.addTask {
                while try await pool.query("SELECT recount_log_piece(6) AS done")[0].bool("done") {}
            }
            try await group.waitForAll()
        }
        #expect(try await Self.areRight(pool))
        #expect(try await pool.query("SELECT sum(rows) AS n FROM log_totals")[0].int("n") == 240)
    }

    /// Locks of the default partition that are granted, or not; other databases of the server have one with its number.
    private static let locks: StaticString = """
        SELECT FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND relation = 'logs_default'::regclass AND granted = $1
        """

    @Test("who stores late rows of a month is waited for before they are counted")
    func lateWriter() async throws {
        let pool = try await Self.database()
        _ = try await pool.query("SELECT make_log_partition('logs', '2026-01-01')")
        try await Self.insert(6, at: "2026-01-05T10:00:00Z", into: pool)
        #expect(try await pool.query("SELECT drop_log_month('2026-01-01') AS d")[0].bool("d"))
        async let done: Int = {
            try await pool.transaction { transaction in
                _ = try await transaction.query(
                    """
                    INSERT INTO logs (id, created_at, event_id, account_id, gateway_id, provider, model, path, method,
                        request_type, status_code, success, cached, step, duration_us, custom_cost, request_size,
                        response_size, request_complete, response_complete, streamed, authenticated)
                    VALUES ('late', '2026-01-05T11:00:00Z', 'e', 'a', 'g-0', 'p', 'm', 'p', 'POST', 'native', 200, true, false,
                        0, 1, false, 0, 0, true, true, false, true)
                    """)
                for _ in 0..<10_000 {
                    let waiting = try await pool.query(Self.locks, [.bool(false)])
                    if !waiting.isEmpty { return }
                    try await Task.sleep(for: .milliseconds(5))
                }
                Issue.record("the row was not waited for")
            }
            return 1
        }()
        while try await pool.query(Self.locks, [.bool(true)]).isEmpty {
            try await Task.sleep(for: .milliseconds(5))
        }
        // A piece waits two seconds for whoever writes; then it is the next one's.
        var pieces = 0
        while pieces == 0 {
            do throws(PostgresError) {
                pieces = try await LogPartitions(pool).recount()
            } catch {
                guard error.isTransient else { throw error }
            }
        }
        #expect(pieces == 1)
        #expect(try await done == 1)
        #expect(try await Self.areRight(pool))
    }

    @Test(
        "a month that is dropped by hand ends where it ends in UTC", arguments: ["Europe/Berlin", "America/New_York"])
    func zones(zone: String) async throws {
        let url = try await TestDatabase.migrated()
        let pool = PostgresPool(url: url)
        _ = try await pool.query("SELECT make_log_partition('logs', '2026-01-01')")
        for time in ["2026-01-31T23:30:00Z", "2026-02-01T04:30:00Z"] { try await Self.insert(6, at: time, into: pool) }
        try await PostgresServer.shared.psql(url, "SET TimeZone = '\(zone)'; SELECT drop_log_month('2026-01-01')")
        let ending = try await pool.query("SELECT ending = '2026-02-01T00:00:00Z' AS is_right FROM log_recounts")
        #expect(try ending[0].bool("is_right"))
        try await LogPartitions(pool).recount()
        #expect(try await Self.areRight(pool))
    }

    @Test("lists leave out a month that was dropped a moment ago")
    func lists() async throws {
        let pool = try await Self.database()
        _ = try await pool.query("SELECT make_log_partition('logs', '2026-01-01')")
        try await Self.insert(30, at: "2026-01-05T10:00:00Z", into: pool)
        try await Self.insert(20, at: "2026-02-05T10:00:00Z", into: pool)
        #expect(try await pool.query("SELECT drop_log_month('2026-01-01') AS d")[0].bool("d"))
        let query = LogQuery(account: "a", gateway: "g-1")
        for _ in 0..<2 {
            let page = try await LogRepository(pool).list(query, page: PageRequest(number: 1, size: 50))
            #expect(page.total == 10 && page.items.count == 10)
            try await LogPartitions(pool).recount()
        }
    }

    @Test("a month is counted anew while others are written to")
    func recount() async throws {
        let pool = try await Self.database()
        try await Self.insert(20, at: "2025-05-05T11:30:00Z", into: pool)
        // Rows that went past the triggers, and rows that came so.
        try await pool.transaction { transaction in
            _ = try await transaction.query("SET LOCAL session_replication_role = replica")
            _ = try await transaction.query("DELETE FROM logs_default WHERE model = 'm-1'")
            _ = try await transaction.query("UPDATE logs_default SET created_at = '2024-02-01Z' WHERE model = 'm-2'")
        }
        #expect(try await !Self.areRight(pool))
        _ = try await pool.query("SELECT make_log_partition('logs', '2026-01-01')")
        try await pool.transaction { transaction in
            let months = try await transaction.query("SELECT month::text AS month FROM stale_log_months() AS month")
            #expect(try months.map { try $0.text("month") } == ["2024-02-01", "2025-05-01"])
            for row in months {
                _ = try await transaction.query("SELECT recount_log_month($1::date)", [.text(try row.text("month"))])
            }
            while try await transaction.query("SELECT recount_log_piece(6) AS done")[0].bool("done") {}
            // Another gateway's, since totals are by gateway.
            #expect(try await pool.query("SELECT 1 FROM stale_log_months()").isEmpty)
            _ = try await pool.query(
                """
                INSERT INTO logs (id, created_at, event_id, account_id, gateway_id, provider, model, path, method,
                    request_type, status_code, success, cached, step, duration_us, custom_cost, request_size,
                    response_size, request_complete, response_complete, streamed, authenticated)
                SELECT 'other', '2026-01-05Z', event_id, account_id, 'other', provider, model, path, method, request_type,
                    status_code, success, cached, step, duration_us, custom_cost, request_size, response_size,
                    request_complete, response_complete, streamed, authenticated FROM logs LIMIT 1
                """)
        }
        #expect(try await Self.areRight(pool))
        #expect(try await pool.query("SELECT 1 FROM log_counts WHERE gateway_id = 'other'").count == 1)
    }

    @Test("rows that came late for a dropped month go when logs are to be kept no longer, with their bodies")
    func strays() async throws {
        let pool = try await Self.database()
        try await Self.insert(20, at: "2025-05-05T11:30:00Z", into: pool)
        try await Self.insert(20, at: "2025-06-05T11:30:00Z", into: pool)
        try await Self.insert(4, at: "2099-06-05T11:30:00Z", into: pool)
        _ = try await pool.query("INSERT INTO log_bodies SELECT id, created_at, 'prompt', 'answer' FROM logs")
        let partitions = LogPartitions(pool)
        // The first of June 2025.
        #expect(try await partitions.deleteStrays(before: Instant(microseconds: 1_748_736_000_000_000)) == 40)
        #expect(try await pool.query("SELECT count(*) AS n FROM logs")[0].int("n") == 24)
        #expect(
            try await pool.query("SELECT count(*) AS n FROM log_bodies WHERE created_at < '2025-06-01Z'")[0].int("n")
                == 0)
        #expect(try await pool.query("SELECT count(*) AS n FROM log_bodies")[0].int("n") == 24)
        #expect(try await Self.areRight(pool))
        #expect(try await partitions.deleteStrays(before: Instant(microseconds: 1_748_736_000_000_000)) == 0)
    }

    @Test("what nobody forgot of records without rows goes after a week, however much there is")
    func refusals() async throws {
        let pool = try await Self.database()
        _ = try await pool.query(
            """
            INSERT INTO log_refusals SELECT n::text, now() - CASE WHEN n > 12000 THEN '6 days' ELSE '8 days' END::interval
            FROM generate_series(1, 12010) n
            """)
        #expect(try await LogPartitions(pool).forgetRefusals() == 12000)
        #expect(try await pool.query("SELECT count(*) AS n FROM log_refusals")[0].int("n") == 10)
    }

    @Test("are the same after many writers at once")
    func writers() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated(), size: 6)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<6 {
                group.addTask {
                    for round in 0..<10 {
                        try await Self.insert(7, at: "2026-01-05T1\(round % 3):30:00Z", into: pool)
                        if writer == 0 { _ = try await pool.query("DELETE FROM logs WHERE model = 'm-1'") }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await Self.areRight(pool))
    }
}
