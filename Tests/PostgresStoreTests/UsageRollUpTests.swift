import GatewayCore
import NIOCore
import PostgresStore
import TestKit
import Testing

@Suite("Usage roll-ups")
struct UsageRollUpTests {
    /// 2026-11-22 14:06:59.123 UTC.
    private static let moment = Instant(milliseconds: 1_795_356_419_123)

    private static func record(_ number: UInt64, at time: Instant = moment) -> RequestRecord {
        var record = RequestRecord(
            id: LogID(high: number << 16, low: number), eventID: "event", account: "aaaa", gateway: "g", createdAt: time
        )
        record.provider = "openai"
        record.model = "gpt-4o"
        record.status = 200
        record.success = true
        record.duration = .milliseconds(100)
        return record
    }

    /// Everything that the roll-ups of one resolution say, as `psql` prints it.
    private static func sums(_ pool: PostgresPool) async throws -> [String] {
        try await pool.query(
            """
            SELECT concat_ws(' ', 'day', sum(requests), trim_scale(sum(cost)), sum(tokens_in), trim_scale(sum(duration_ms))) AS line
            FROM usage.by_day
            UNION ALL SELECT concat_ws(' ', 'hour', sum(requests), trim_scale(sum(cost)), sum(tokens_in), trim_scale(sum(duration_ms)))
            FROM usage.by_hour
            UNION ALL SELECT concat_ws(' ', 'minute', sum(requests), trim_scale(sum(cost)), sum(tokens_in), trim_scale(sum(duration_ms)))
            FROM usage.by_minute
            UNION ALL SELECT concat_ws(' ', 'durations', sum(requests)) FROM usage.durations_by_hour
            UNION ALL SELECT concat_ws(' ', 'metadata', sum(requests)) FROM usage.metadata_by_hour
            """
        ).map { try $0.text("line") }
    }

    @Test(
        "what is stored is counted in the same transaction, at every resolution, and a repeated batch changes nothing")
    func exactlyOnce() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        let writer = RecordWriter(pool.makeSession())
        var records: [RequestRecord] = []
        for number in 1...10 {
            var record = Self.record(
                UInt64(number), at: Instant(milliseconds: Self.moment.milliseconds + Int64(number) * 1000))
            record.usage.input = 7
            record.usage.output = 3
            record.cost = PicoUSD(picoDollars: 1_000_000)
            record.metadata = #"{"team":"search","n":1}"#
            records.append(record)
        }
        let expected = [
            "day 10 0.00001 70 1000", "hour 10 0.00001 70 1000", "minute 10 0.00001 70 1000", "durations 10",
            "metadata 20",
        ]
        try await writer.write(RecordBatch(records))
        #expect(try await Self.sums(pool) == expected)
        #expect(try await pool.query("SELECT DISTINCT minute FROM usage.by_minute").count == 1)
        try await writer.write(RecordBatch(records))
        #expect(try await Self.sums(pool) == expected)
        // A batch that is known in part counts what is new of it.
        try await writer.write(RecordBatch(records + [Self.record(11)]))
        #expect(try await pool.query("SELECT sum(requests) AS n FROM usage.by_day")[0].int("n") == 11)
        #expect(try await pool.query("SELECT DISTINCT minute FROM usage.by_minute").count == 2)
        // Rows that are deleted were paid for all the same.
        _ = try await pool.query("DELETE FROM logs")
        #expect(try await pool.query("SELECT sum(requests) AS n FROM usage.by_hour")[0].int("n") == 11)
    }

    @Test("tries that another one followed have rows that no report counts, whichever way they are stored")
    func retried() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        let writer = RecordWriter(pool.makeSession())
        func record(_ number: UInt64, retried: Bool = false) -> RequestRecord {
            var record = Self.record(number)
            record.metadata = #"{"team":"search"}"#
            guard retried else { return record }
            // What only a try says would make rows of its own.
            record.metadata = #"{"try":"1"}"#
            (record.status, record.success, record.model, record.retried) = (500, false, "tried", true)
            record.usage.input = 1000
            record.cost = PicoUSD(picoDollars: 1_000_000)
            return record
        }
        func reports() async throws -> [String] {
            try await pool.query(
                """
                SELECT concat_ws(' ', 'minute', model, status_code, requests, cost) AS line FROM usage.by_minute
                UNION ALL SELECT concat_ws(' ', 'total', success, requests, cost) FROM usage.totals_by_minute
                UNION ALL SELECT concat_ws(' ', 'hour', model, status_code, requests, cost) FROM usage.by_hour
                UNION ALL SELECT concat_ws(' ', 'day', model, status_code, requests, cost) FROM usage.by_day
                UNION ALL SELECT concat_ws(' ', 'durations', model, requests) FROM usage.durations_by_hour
                UNION ALL SELECT concat_ws(' ', 'metadata', key, value, requests, cost) FROM usage.metadata_by_hour
                UNION ALL SELECT concat_ws(' ', 'metadata', key, value, requests, cost) FROM usage.metadata_by_day
                UNION ALL SELECT concat_ws(' ', 'value', key, value) FROM usage_metadata_values
                """
            ).map { try $0.text("line") }
        }
        func expected(_ requests: Int) -> [String] {
            [
                "minute gpt-4o 200 \(requests)", "total t \(requests)", "hour gpt-4o 200 \(requests)",
                "day gpt-4o 200 \(requests)", "durations gpt-4o \(requests)", "metadata team search \(requests)",
                "metadata team search \(requests)", "value team search",
            ]
        }
        func rows() async throws -> [Int] {
            let counts = try await pool.query(
                "SELECT (SELECT count(*) FROM logs) AS logs, (SELECT sum(rows)::bigint FROM log_totals) AS counted")[0]
            return [try counts.int("logs"), try counts.int("counted")]
        }
        // Nothing but tries.
        try await writer.write(RecordBatch([record(1, retried: true), record(2, retried: true)]))
        #expect(try await reports().isEmpty)
        // Among others, and once more after a crash: then over the staging table.
        let batch = [
            record(1, retried: true), record(2, retried: true), record(3), record(4, retried: true), record(5),
        ]
        try await writer.write(RecordBatch(batch))
        #expect(try await reports() == expected(2))
        try await writer.write(RecordBatch(batch))
        #expect(try await reports() == expected(2))
        #expect(try await rows() == [5, 5])
        // What has no row is counted without the tries as well.
        var excess = RecordBatch(rate: LogRate(limit: 1))
        for record in [record(6), record(7, retried: true), record(8)] {
            var encoded = ByteBuffer()
            record.encode(into: &encoded)
            excess.add(encoded)
        }
        #expect(excess.excess.count == 2)
        try await writer.write(excess)
        try await writer.write(excess)
        #expect(try await reports() == expected(4))
        #expect(try await rows() == [6, 6])
        var unlogged = [record(9), record(10, retried: true)]
        for index in unlogged.indices { unlogged[index].unlogged = true }
        try await writer.write(RecordBatch(unlogged))
        #expect(try await reports() == expected(5))
    }

    @Test("a node of an older release goes on counting what has no row, without the column that tells tries")
    func olderRelease() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        var record = Self.record(1)
        record.metadata = #"{"team":"search"}"#
        try await RecordWriter(pool.makeSession()).write(RecordBatch([record]))
        let session = pool.makeSession()
        for statement in Self.olderStatements { _ = try await session.query(statement) }
        _ = try await session.query("INSERT INTO unlogged_records SELECT * FROM known_records")
        for view in ["by_minute", "totals_by_minute", "by_hour", "by_day", "durations_by_hour", "metadata_by_hour"] {
            #expect(try await pool.query(PostgresQuery.counting(view: view))[0].int("n") == 2, "\(view)")
        }
    }

    /// What a session has made that began before the column was there.
    private static let olderStatements: [StaticString] = [
        "CREATE TEMPORARY TABLE known_records AS SELECT * FROM logs",
        "ALTER TABLE known_records DROP COLUMN retried",
        "CREATE TEMPORARY TABLE unlogged_records (LIKE known_records)",
        """
        CREATE TRIGGER roll_up AFTER INSERT ON unlogged_records REFERENCING NEW TABLE AS settled
        FOR EACH STATEMENT EXECUTE FUNCTION roll_up_usage()
        """,
        """
        CREATE TRIGGER roll_up_totals AFTER INSERT ON unlogged_records REFERENCING NEW TABLE AS settled
        FOR EACH STATEMENT EXECUTE FUNCTION roll_up_totals()
        """,
    ]

    @Test("unknown tokens and prices are told apart from none")
    func unknown() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        var free = Self.record(1)
        free.cost = PicoUSD(picoDollars: 0)
        free.usage.input = 0
        var dark = Self.record(2)
        dark.model = "dark"
        try await RecordWriter(pool.makeSession()).write(RecordBatch([free, dark]))
        let rows = try await pool.query("SELECT * FROM usage.by_day ORDER BY model")
        #expect(try rows[0].textOrNil("cost") == nil && rows[0].int("unpriced_requests") == 1)
        #expect(try rows[0].textOrNil("tokens_in") == nil && rows[0].int("unmetered_requests") == 1)
        #expect(try rows[1].text("cost") == "0" && rows[1].int("unpriced_requests") == 0)
        #expect(try rows[1].int("tokens_in") == 0 && rows[1].int("unmetered_requests") == 0)
    }

    @Test("what can be grouped by is kept apart")
    func dimensions() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        var records = (1...7).map { Self.record(UInt64($0)) }
        records[1].gateway = "other"
        records[2].provider = "groq"
        records[3].model = "gpt-5"
        records[4].keyAlias = "spare"
        records[5].status = 429
        records[5].success = false
        records[5].errorCode = 2003
        records[6].cached = true
        try await RecordWriter(pool.makeSession()).write(RecordBatch(records))
        let rows = try await pool.query("SELECT * FROM usage.by_hour")
        #expect(rows.count == 7)
        #expect(try rows.allSatisfy { try $0.int("requests") == 1 })
        let limited = try await pool.query("SELECT status_class, success FROM usage.by_hour WHERE rate_limited")
        #expect(try limited.count == 1 && limited[0].text("status_class") == "4xx" && !limited[0].bool("success"))
        #expect(try await pool.query("SELECT 1 FROM usage.by_hour WHERE key_alias = 'spare'").count == 1)
        #expect(try await pool.query("SELECT 1 FROM usage.by_hour WHERE key_alias IS NULL").count == 6)
    }

    @Test("a metadata key with a value per request is counted, but not value by value beyond a thousand")
    func manyValues() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        let writer = RecordWriter(pool.makeSession())
        for batch in 0..<3 {
            try await writer.write(
                RecordBatch(
                    (1...600).map { number in
                        var record = Self.record(UInt64(batch * 600 + number))
                        record.metadata = #"{"request":"\#(batch * 600 + number)","team":"search"}"#
                        return record
                    }))
        }
        let rows = try await pool.query(
            "SELECT key, sum(requests) AS requests, count(DISTINCT value) AS known FROM usage.metadata_by_day GROUP BY key"
        )
        let byKey = try Dictionary(uniqueKeysWithValues: rows.map { (try $0.text("key"), $0) })
        #expect(try byKey["request"]?.int("requests") == 1800)
        #expect(try byKey["request"]?.int("known") == 1000)
        #expect(try byKey["team"]?.int("requests") == 1800 && byKey["team"]?.int("known") == 1)
    }

    @Test("metadata whose keys and values run into each other is counted as what it is")
    func lookalikes() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        let writer = RecordWriter(pool.makeSession())
        var number: UInt64 = 0
        // Joined by ":=", the entries of the second, and the first's, all read alike.
        for metadata in [#"{"a:=b:=z":"c"}"#, #"{"a":"b:=z:=c","a:=b":"z:=c"}"#, #"{"a":"b:=c","a:=b":"c"}"#] {
            number += 1
            var record = Self.record(number)
            record.metadata = metadata
            #expect(try await writer.write(RecordBatch([record])).stored == 1)
        }
        // A key without room for more values, and one that is called like it and a value of another.
        _ = try await pool.query(
            """
            INSERT INTO usage_metadata_keys SELECT 'aaaa', 'g', DATE '2026-11-22', key, 1000
            FROM unnest(ARRAY['x:=y', 'full']) AS key
            """)
        for metadata in [
            #"{"x:=y":"new","x":"y:"}"#, #"{"full":"","full=":"","":"full="}"#, #"{"\\":"\\x41","\\\\":"A"}"#,
        ] {
            number += 1
            var record = Self.record(number)
            record.metadata = metadata
            #expect(try await writer.write(RecordBatch([record])).stored == 1)
        }
        let rows = try await pool.query(
            "SELECT key || ' ' || coalesce(value, '-') AS entry, requests FROM usage.metadata_by_day ORDER BY key, value"
        )
        #expect(
            try rows.map { try $0.text("entry") } == [
                " full=", "\\ \\x41", "\\\\ A", "a b:=c", "a b:=z:=c", "a:=b c", "a:=b z:=c", "a:=b:=z c", "full -",
                "full= ",
                "x y:", "x:=y -",
            ])
        #expect(try rows.allSatisfy { try $0.int("requests") == 1 })
    }

    @Test("requests with a key of their own are counted, but not key by key beyond a hundred, and cost no more for it")
    func manyKeys() async throws {
        var options = PostgresOptions(url: try await TestDatabase.migrated())
        // What is counted anew for each key takes a minute for the last batch.
        options.statementTimeout = .seconds(30)
        let pool = PostgresPool(options)
        let writer = RecordWriter(pool.makeSession())
        for batch in 0..<3 {
            try await writer.write(
                RecordBatch(
                    (1...2000).map { place in
                        let number = batch * 2000 + place
                        var record = Self.record(UInt64(number))
                        record.metadata =
                            #"{"team":"search","a\#(number)":1,"b\#(number)":1,"c\#(number)":1,"d\#(number)":1}"#
                        return record
                    }))
        }
        let keys = try await pool.query("SELECT count(*) AS n, sum(value_count) AS v FROM usage_metadata_keys")[0]
        #expect(try keys.int("n") == 100)
        #expect(try keys.int("v") == 100)
        let known = try await pool.query(
            "SELECT count(DISTINCT key) AS n, sum(requests) AS requests FROM usage.metadata_by_day WHERE key IS NOT NULL"
        )[0]
        #expect(try known.int("n") == 100)
        #expect(try known.int("requests") == 6099)
        // Each request counts once among the others, however many such keys it has.
        let others = try await pool.query("SELECT sum(requests) AS n FROM usage.metadata_by_hour WHERE key IS NULL")[0]
        #expect(try others.int("n") == 6000)
        // What most requests have comes first where room is short.
        let teams = try await pool.query(
            "SELECT sum(requests) AS n FROM usage.metadata_by_hour WHERE value = 'search'")[0]
        #expect(try teams.int("n") == 6000)
        // A key that is known stays so; those of another day have room.
        var next = Self.record(7000)
        next.metadata = #"{"a1":2}"#
        var tomorrow = Self.record(7001, at: Instant(milliseconds: Self.moment.milliseconds + 86_400_000))
        tomorrow.metadata = #"{"late":1}"#
        try await writer.write(RecordBatch([next, tomorrow]))
        let values = try await pool.query(
            "SELECT key || '=' || value AS entry FROM usage_metadata_values WHERE key = 'late' OR value = '2' ORDER BY 1"
        )
        #expect(try values.map { try $0.text("entry") } == ["a1=2", "late=1"])
    }

    @Test("nodes that meet the same new values at once number each of them once")
    func concurrentValues() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        try await withThrowingTaskGroup { group in
            for node in 0..<4 {
                group.addTask {
                    let writer = RecordWriter(pool.makeSession())
                    for batch in 0..<6 {
                        let records = (1...100).map { place in
                            var record = Self.record(UInt64(node * 100_000 + batch * 1000 + place))
                            // Half of the values are new to all nodes at once, half to this one; some 1500 in all.
                            let value = place % 2 == 0 ? "all-\(batch)-\(place)" : "\(node)-\(batch)-\(place)"
                            record.metadata = #"{"request":"\#(value)","team":"t\#(place % 7)"}"#
                            return record
                        }
                        try await writer.write(RecordBatch(records))
                    }
                }
            }
            try await group.waitForAll()
        }
        let rows = try await pool.query(
            """
            SELECT k.key, k.value_count, count(v.value) AS known, count(DISTINCT v.number) AS numbers, max(v.number) AS last
            FROM usage_metadata_keys k JOIN usage_metadata_values v USING (account_id, gateway_id, day, key)
            GROUP BY 1, 2 ORDER BY 1
            """)
        #expect(try rows.map { try $0.text("key") } == ["request", "team"])
        for (row, number) in zip(rows, [1000, 7]) {
            for column in ["value_count", "known", "numbers", "last"] { #expect(try row.int(column) == number) }
        }
        #expect(try await pool.query(PostgresQuery.counting(view: "metadata_by_day"))[0].int("n") == 4800)
    }

    @Test("nasty content is counted, and does not keep a record from being stored")
    func nasty() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        var records: [RequestRecord] = []
        let long = String(repeating: "\u{1F600}", count: 5000)
        for (index, metadata) in [
            #"{"a":null}"#, "[1,2]", "7", #""text""#, "{}", #"{"\#(long)":"\#(long)"}"#, #"{"":"","x":{"y":1}}"#, nil,
        ].enumerated() {
            var record = Self.record(UInt64(index + 1))
            record.metadata = metadata
            record.model = long
            record.provider = ProviderID(long)
            record.keyAlias = KeyAlias(long)
            records.append(record)
        }
        for (index, time) in [Int64.min, .max, -1].enumerated() {
            var record = Self.record(UInt64(100 + index), at: Instant(microseconds: time))
            record.metadata = #"{"team":"old"}"#
            record.usage.input = .max
            record.cost = PicoUSD(picoDollars: .min)
            records.append(record)
        }
        #expect(try await RecordWriter(pool.makeSession()).write(RecordBatch(records)).stored == records.count)
        for table in ["by_minute", "by_hour", "by_day", "durations_by_hour"] {
            let rows = try await pool.query(
                PostgresQuery.counting(view: table))
            #expect(try rows[0].int("n") == records.count, "\(table)")
        }
        let old = try await pool.query("SELECT sum(requests) AS n FROM usage.metadata_by_hour WHERE value = 'old'")
        #expect(try old[0].int("n") == 3)
    }

    @Test("nodes that store at the same time add up")
    func concurrent() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        try await withThrowingTaskGroup { group in
            for node in 0..<4 {
                group.addTask {
                    let writer = RecordWriter(pool.makeSession())
                    for batch in 0..<10 {
                        let records = (1...50).map { number in
                            var record = Self.record(UInt64(node * 10_000 + batch * 100 + number))
                            record.model = "model-\((number * 7 + node) % 11)"
                            record.metadata = #"{"team":"team-\#((number + node) % 5)"}"#
                            return record
                        }
                        try await writer.write(RecordBatch(records))
                    }
                }
            }
            try await group.waitForAll()
        }
        for view in [
            "by_minute", "totals_by_minute", "by_hour", "by_day", "durations_by_hour", "metadata_by_hour",
            "metadata_by_day",
        ] {
            #expect(try await pool.query(PostgresQuery.counting(view: view))[0].int("n") == 2000, "\(view)")
        }
    }

    @Test("minutes go after 62 days; hours and days stay")
    func prune() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        let now = try await pool.query("SELECT now() AS now")[0].instant("now")
        var records = [Self.record(1, at: Instant(microseconds: now.microseconds - 63 * 86_400 * 1_000_000))]
        records.append(Self.record(2, at: Instant(microseconds: now.microseconds - 61 * 86_400 * 1_000_000)))
        records[0].metadata = #"{"a":1}"#
        try await RecordWriter(pool.makeSession()).write(RecordBatch(records))
        // A minute, its total, a metadata value and its key.
        #expect(try await UsageRollUps(pool).prune() == 4)
        #expect(try await UsageRollUps(pool).prune() == 0)
        #expect(try await pool.query("SELECT 1 FROM usage.totals_by_minute").count == 1)
        #expect(try await pool.query("SELECT 1 FROM usage.by_minute").count == 1)
        #expect(try await pool.query("SELECT 1 FROM usage.by_hour").count == 2)
        #expect(try await pool.query("SELECT 1 FROM usage.metadata_by_day").count == 1)
    }

    private typealias Column = (name: String, of: String)

    /// Members of a report beside what it splits by, and the same computed from rows of `logs`.
    private static let facts: [Column] = [
        ("requests", "count(*)"), ("cost", "sum(cost)"), ("unpriced_requests", "count(*) - count(cost)"),
        ("tokens_in", "CASE WHEN \(metered) > 0 THEN coalesce(sum(tokens_in), 0) END"),
        ("tokens_out", "CASE WHEN \(metered) > 0 THEN coalesce(sum(tokens_out), 0) END"),
        ("unmetered_requests", "count(*) - \(metered)"),
    ]
    private static let metered = "count(*) FILTER (WHERE tokens_in IS NOT NULL OR tokens_out IS NOT NULL)"
    private static let moreFacts: [Column] =
        facts + [
            ("tokens_cached", "CASE WHEN \(metered) > 0 THEN coalesce(sum(tokens_cached), 0) END"),
            ("tokens_reasoning", "CASE WHEN \(metered) > 0 THEN coalesce(sum(tokens_reasoning), 0) END"),
            ("request_bytes", "sum(request_size)"), ("response_bytes", "sum(response_size)"),
            ("duration_ms", "sum(duration_us) / 1000"), ("first_byte_ms", "sum(first_byte_us) / 1000"),
            ("answered_requests", "count(first_byte_us)"),
        ]
    private static let place: [Column] = [
        ("account_id", "account_id"), ("gateway_id", "gateway_id"), ("provider", "nullif(provider, '')"),
        ("model", "nullif(model, '')"), ("cached", "cached"),
    ]
    private static let split: [Column] =
        place + [
            ("key_alias", "key_alias"), ("status_code", "status_code"), ("status_class", "status_code / 100 || 'xx'"),
            ("success", "success"), ("rate_limited", "coalesce(error_code, 0) = 2003"),
        ]
    private static let entry: [Column] =
        place.dropLast() + [("key", "e.key"), ("value", "e.value")]
    private static let moreOfEntries: [Column] = [
        ("errors", "count(*) FILTER (WHERE NOT success)"), ("cached_requests", "count(*) FILTER (WHERE cached)"),
    ]
    private static let total: [Column] = [
        ("account_id", "account_id"), ("gateway_id", "gateway_id"), ("cached", "cached"), ("success", "success"),
    ]

    @Test("every report says what the log says, group by group")
    func reportsAndLog() async throws {
        let url = try await TestDatabase.migrated()
        let writer = RecordWriter(PostgresPool(url: url).makeSession())
        var number: UInt64 = 0
        func pick(_ count: UInt64) -> Int {
            number = number &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((number >> 33) % count)
        }
        for batch in 0..<4 {
            let records = (0..<300).map { index -> RequestRecord in
                var record = Self.record(
                    UInt64(batch * 1000 + index + 1),
                    at: Instant(milliseconds: Self.moment.milliseconds + Int64(pick(7_200_000))))
                record.gateway = ["g", "h"][pick(2)]
                record.provider = ["openai", "groq", ""][pick(3)]
                record.model = ["a", "B", "ä", ""][pick(4)]
                record.keyAlias = [nil, "default", "spare"][pick(3)]
                record.status = [200, 404, 429, 500][pick(4)]
                record.success = record.status == 200
                record.errorCode = record.status == 429 && pick(2) == 0 ? 2003 : nil
                record.cached = pick(4) == 0
                record.usage.input = pick(3) == 0 ? nil : pick(1000)
                record.usage.output = pick(3) == 0 ? nil : pick(1000)
                record.usage.cached = pick(2) == 0 ? nil : 5
                record.usage.reasoning = pick(2) == 0 ? nil : 7
                record.cost = pick(3) == 0 ? nil : PicoUSD(picoDollars: Int64(pick(1_000_000_000)))
                record.duration = .microseconds(1 + pick(3_000_000))
                record.firstByte = pick(3) == 0 ? nil : .microseconds(pick(100_000))
                record.requestSize = pick(5000)
                record.responseSize = pick(5000)
                record.metadata =
                    [nil, "{}", #"{"team":"x","n":1}"#, #"{"team":"Y","beta":true,"none":null}"#][pick(4)]
                return record
            }
            try await writer.write(RecordBatch(records))
        }
        func hour(_ unit: String) -> String { "date_trunc('\(unit)', created_at, 'UTC')" }
        let day = "(created_at AT TIME ZONE 'UTC')::date"
        let entries = "logs CROSS JOIN LATERAL jsonb_each_text(metadata) e WHERE e.value IS NOT NULL"
        let durationClass = "floor(8 * ln(duration_us::double precision) / ln(2::double precision))"
        let reports: [(String, [Column], [Column], String)] = [
            ("by_minute", [("minute", hour("minute"))] + Self.split, Self.moreFacts, "logs"),
            ("by_hour", [("hour", hour("hour"))] + Self.split, Self.moreFacts, "logs"),
            ("by_day", [("day", day)] + Self.split, Self.moreFacts, "logs"),
            ("totals_by_minute", [("minute", hour("minute"))] + Self.total, Self.moreFacts, "logs"),
            ("metadata_by_hour", [("hour", hour("hour"))] + Self.entry, Self.facts + Self.moreOfEntries, entries),
            ("metadata_by_day", [("day", day)] + Self.entry, Self.facts + Self.moreOfEntries, entries),
            (
                "durations_by_hour",
                [("hour", hour("hour"))] + Self.place + [
                    ("round(log(2, (from_ms * 1000)::numeric) * 8)", durationClass + "::numeric")
                ], [("requests", "count(*)")], "logs"
            ),
        ]
        for (view, splits, facts, source) in reports {
            let report = "SELECT \((splits + facts).map(\.name).joined(separator: ", ")) FROM usage.\(view)"
            let log =
                "SELECT \((splits + facts).map(\.of).joined(separator: ", ")) FROM \(source) "
                + "GROUP BY \((1...splits.count).map { "\($0)" }.joined(separator: ", "))"
            let difference = "((\(report)) EXCEPT ALL (\(log))) UNION ALL ((\(log)) EXCEPT ALL (\(report)))"
            let counts = try await PostgresServer.shared.psql(
                url, "SELECT (SELECT count(*) FROM (\(report)) r) > 5, count(*) FROM (\(difference)) d")
            #expect(counts == "t|0", "\(view)")
        }
    }

    @Test("the reader's role sees the reports and no table")
    func reader() async throws {
        let url = try await TestDatabase.migrated()
        let pool = PostgresPool(url: url, size: 1)
        try await RecordWriter(pool.makeSession()).write(RecordBatch([Self.record(1)]))
        _ = try await pool.query("SET ROLE aigatewayd_reader")
        for view in ["by_minute", "by_hour", "by_day", "durations_by_hour", "metadata_by_hour", "metadata_by_day"] {
            _ = try await pool.query(PostgresQuery.counting(view: view))
        }
        for table in ["logs", "log_bodies", "usage_hours", "gateways", "secrets"] {
            await #expect(throws: PostgresError.self, "\(table)") {
                try await pool.query(PostgresQuery.counting(table: table))
            }
        }
        await #expect(throws: PostgresError.self) {
            try await pool.query("CREATE TABLE usage.mine (a integer)")
        }
        // All of the reports to read, and nothing else to read or change, what later releases bring included.
        let rights = try await PostgresServer.shared.psql(
            url,
            """
            SELECT n.nspname, bool_and(has_table_privilege('aigatewayd_reader', c.oid, 'SELECT')),
                bool_or(has_table_privilege('aigatewayd_reader', c.oid, 'SELECT')),
                bool_or(has_table_privilege('aigatewayd_reader', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname IN ('public', 'usage') AND c.relkind IN ('r', 'p', 'v', 'm') GROUP BY 1 ORDER BY 1
            """)
        #expect(rights == "public|f|f|f\nusage|t|t|f")
    }
}

extension PostgresQuery {
    /// Counts the requests that a view of schema `usage` knows.
    fileprivate static func counting(view: String) -> PostgresQuery {
        switch view {
        case "by_minute": PostgresQuery("SELECT sum(requests) AS n FROM usage.by_minute")
        case "totals_by_minute": PostgresQuery("SELECT sum(requests) AS n FROM usage.totals_by_minute")
        case "by_hour": PostgresQuery("SELECT sum(requests) AS n FROM usage.by_hour")
        case "by_day": PostgresQuery("SELECT sum(requests) AS n FROM usage.by_day")
        case "durations_by_hour": PostgresQuery("SELECT sum(requests) AS n FROM usage.durations_by_hour")
        case "metadata_by_hour": PostgresQuery("SELECT sum(requests) AS n FROM usage.metadata_by_hour")
        default: PostgresQuery("SELECT sum(requests) AS n FROM usage.metadata_by_day")
        }
    }

    fileprivate static func counting(table: String) -> PostgresQuery {
        switch table {
        case "logs": PostgresQuery("SELECT count(*) AS n FROM logs")
        case "log_bodies": PostgresQuery("SELECT count(*) AS n FROM log_bodies")
        case "usage_hours": PostgresQuery("SELECT count(*) AS n FROM usage_hours")
        case "gateways": PostgresQuery("SELECT count(*) AS n FROM gateways")
        default: PostgresQuery("SELECT count(*) AS n FROM secrets")
        }
    }
}
