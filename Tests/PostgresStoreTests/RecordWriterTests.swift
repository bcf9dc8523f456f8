import GatewayCore
import NIOCore
import PostgresStore
import TestKit
import Testing

@Suite("RecordWriter")
struct RecordWriterTests {
    private static func record(_ number: UInt64) -> RequestRecord {
        RequestRecord(
            id: LogID(high: number << 16, low: number), eventID: "event", account: "aaaa", gateway: "g",
            createdAt: Instant(milliseconds: 1_795_370_819_123)
        )
    }

    private static func full() -> RequestRecord {
        var record = record(7)
        record.provider = "openai"
        record.model = "gpt-4o"
        record.modelType = "chat"
        record.path = "chat/completions"
        record.requestContentType = "application/json"
        record.responseContentType = "text/event-stream"
        record.status = 200
        record.success = true
        record.step = 2
        record.duration = .microseconds(1_234_567)
        record.firstByte = .microseconds(345)
        record.usage.input = 11
        record.usage.output = 22
        record.usage.cached = 3
        record.usage.searchUnits = 9
        record.usage.speed = "fast"
        record.usage.upstreamCost = PicoUSD(picoDollars: -5)
        record.cost = PicoUSD(picoDollars: 435_000_000)
        record.metadata = "{\"team\":\"search\",\"n\":1.50,\"big\":12345678901234567890}"
        record.requestSize = 3
        record.responseSize = 4
        record.requestBody = ByteBuffer(bytes: [0, 255, 128])
        record.responseBody = ByteBuffer(string: "done")
        record.responseBodyComplete = false
        record.streamed = true
        record.authenticated = true
        record.token = "t"
        record.keyAlias = "default"
        record.userAgent = "curl/8"
        record.errorCode = 2001
        record.feedback = -1
        record.droppedMembers = "seed,messages.name"
        record.traceID = "0af7651916cd43dd8448eb211c80319c"
        record.parentSpanID = "b7ad6b7169203331"
        return record
    }

    @Test("every field arrives in its column")
    func fields() async throws {
        let url = try await TestDatabase.migrated()
        let pool = PostgresPool(url: url)
        var record = Self.full()
        record.retried = true
        #expect(try await RecordWriter(pool.makeSession()).write(RecordBatch([record])).stored == 1)
        let row = try await pool.query("SELECT *, metadata::text AS meta FROM logs")[0]
        #expect(try row.text("id") == record.id.description)
        #expect(try row.instant("created_at") == record.createdAt)
        #expect(try row.text("event_id") == "event")
        #expect(try row.text("account_id") == "aaaa")
        #expect(try row.text("gateway_id") == "g")
        #expect(try row.text("provider") == "openai")
        #expect(try row.text("model") == "gpt-4o")
        #expect(try row.text("model_type") == "chat")
        #expect(try row.text("path") == "chat/completions")
        #expect(try row.text("method") == "POST")
        #expect(try row.text("request_type") == "native")
        #expect(try row.text("request_content_type") == "application/json")
        #expect(try row.text("response_content_type") == "text/event-stream")
        #expect(try row.int("status_code") == 200)
        #expect(try row.bool("success"))
        #expect(try !row.bool("cached"))
        #expect(try row.int("step") == 2)
        #expect(try row.bool("retried"))
        #expect(try row.int("duration_us") == 1_234_567)
        #expect(try row.int("first_byte_us") == 345)
        #expect(try row.text("cost") == "0.000435")
        #expect(try row.text("upstream_cost") == "-0.000000000005")
        #expect(try !row.bool("custom_cost"))
        #expect(try row.text("meta") == "{\"n\": 1.50, \"big\": 12345678901234567890, \"team\": \"search\"}")
        #expect(try row.int("request_size") == 3)
        #expect(try row.int("response_size") == 4)
        #expect(try row.bool("request_complete"))
        #expect(try !row.bool("response_complete"))
        #expect(try row.bool("streamed"))
        #expect(try row.bool("authenticated"))
        #expect(try row.text("token_id") == "t")
        #expect(try row.text("key_alias") == "default")
        #expect(try row.text("user_agent") == "curl/8")
        #expect(try row.int("error_code") == 2001)
        #expect(try row.int("feedback") == -1)
        #expect(try row.text("dropped_parameters") == "seed,messages.name")
        #expect(try row.text("trace_id") == "0af7651916cd43dd8448eb211c80319c")
        #expect(try row.text("parent_span_id") == "b7ad6b7169203331")
        #expect(try row.intOrNil("score") == nil)
        #expect(try row.int("tokens_in") == 11)
        #expect(try row.int("tokens_out") == 22)
        #expect(try row.int("tokens_cached") == 3)
        #expect(try row.intOrNil("tokens_reasoning") == nil)
        #expect(try row.int("search_units") == 9)
        #expect(try row.text("speed") == "fast")
        let body = try await pool.query("SELECT * FROM log_bodies")[0]
        #expect(try body.bytes("request") == [0, 255, 128])
        #expect(try body.bytes("response") == Array("done".utf8))
    }

    @Test("a record that knows nothing is a row of nulls, without bodies")
    func empty() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        try await RecordWriter(pool.makeSession()).write(RecordBatch([Self.record(1)]))
        let row = try await pool.query("SELECT * FROM logs")[0]
        for column in [
            "cost", "tokens_in", "tokens_out", "metadata", "model_type", "token_id", "first_byte_us",
            "dropped_parameters", "trace_id", "parent_span_id",
        ] {
            #expect(try row.isNull(column), "\(column)")
        }
        #expect(try !row.bool("retried"))
        #expect(try await pool.query("SELECT 1 FROM log_bodies").isEmpty)
    }

    @Test(
        "money is exact",
        arguments: [0, 1, -1, 10_000, 999_999_999_999, 1_000_000_000_000, 123_456_789_012_345_678, .max, .min])
    func money(pico: Int64) async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        var record = Self.record(1)
        record.cost = PicoUSD(picoDollars: pico)
        try await RecordWriter(pool.makeSession()).write(RecordBatch([record]))
        #expect(
            try await pool.query("SELECT cost FROM logs")[0].text("cost") == PicoUSD(picoDollars: pico).decimalString
        )
    }

    @Test("nasty content is stored, brought into the form of its column")
    func nasty() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        let writer = RecordWriter(pool.makeSession())
        var records: [RequestRecord] = []
        let texts = [
            "a\0b", "\0", "'; DROP TABLE logs; --", "\u{FFFD}\u{1F600}\u{202E}", String(repeating: "x", count: 100_000),
        ]
        for (index, text) in texts.enumerated() {
            var record = Self.record(UInt64(index + 1))
            record.eventID = text
            record.gateway = GatewayID(text)
            record.model = text
            record.userAgent = text
            record.path = text
            records.append(record)
        }
        let metadata = [
            "{", "nonsense", "{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud800\"}", "{\"a\":1e999999}", "{\"a\":01}", "",
            String(repeating: "[", count: 5000), "{\"\u{0}\":1}", "{\"a\":\"\t\"}", "[1,]", "{} x",
        ]
        for (index, text) in metadata.enumerated() {
            var record = Self.record(UInt64(100 + index))
            record.metadata = text
            records.append(record)
        }
        var absurd = Self.record(1000)
        absurd.status = .max
        absurd.step = .min
        absurd.feedback = .max
        absurd.errorCode = .min
        absurd.requestSize = .max
        absurd.usage.input = .max
        absurd.cost = PicoUSD(picoDollars: .min)
        absurd.createdAt = Instant(microseconds: .max)
        records.append(absurd)
        var early = Self.record(1001)
        early.createdAt = Instant(microseconds: .min)
        early.metadata = "{\"ok\":[1,2.5e-7,-0,true,null,\"\\ud83d\\ude00\\n\"]}"
        records.append(early)
        #expect(try await writer.write(RecordBatch(records)).stored == records.count)
        #expect(try await pool.query("SELECT 1 FROM logs WHERE event_id = 'ab'").count == 1)
        #expect(try await pool.query("SELECT 1 FROM logs WHERE metadata IS NOT NULL").count == 1)
        let row = try await pool.query("SELECT status_code FROM logs WHERE id = $1", [.text(absurd.id.description)])[0]
        #expect(try row.int("status_code") == Int(Int32.max))
    }

    @Test("bodies of ten megabytes pass")
    func largeBodies() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        var records: [RequestRecord] = []
        for number in 1...3 {
            var record = Self.record(UInt64(number))
            record.requestBody = ByteBuffer(repeating: UInt8(number), count: 10 << 20)
            record.responseBody = ByteBuffer()
            records.append(record)
        }
        try await RecordWriter(pool.makeSession()).write(RecordBatch(records))
        let rows = try await pool.query(
            "SELECT octet_length(request) AS r, octet_length(response) AS s FROM log_bodies")
        #expect(rows.count == 3)
        #expect(try rows.allSatisfy { try $0.int("r") == 10 << 20 && $0.int("s") == 0 })
    }

    @Test("a record that is handed in twice is one row, and its neighbours are stored")
    func exactlyOnce() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        let writer = RecordWriter(pool.makeSession())
        #expect(try await writer.write(RecordBatch([Self.full(), Self.record(2)])).stored == 2)
        #expect(try await writer.write(RecordBatch([Self.full(), Self.record(3), Self.record(3)])).stored == 1)
        #expect(try await writer.write(RecordBatch([Self.full(), Self.record(2), Self.record(3)])).stored == 0)
        #expect(try await pool.query("SELECT 1 FROM logs").count == 3)
        #expect(try await pool.query("SELECT 1 FROM log_bodies").count == 1)
    }

    @Test(
        "a record that is only counted is counted once, has no row, and leaves nothing but what keeps it from coming twice"
    )
    func unlogged() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        let writer = RecordWriter(pool.makeSession())
        func counted(_ number: UInt64) -> RequestRecord {
            var record = Self.full()
            record.id = LogID(high: number << 16, low: number)
            record.unlogged = true
            return record
        }
        func requests() async throws -> Int {
            try await pool.query("SELECT coalesce(sum(requests), 0)::bigint AS n FROM usage.by_day")[0].int("n")
        }
        let first = RecordBatch([counted(1), Self.record(2), counted(3), counted(3)])
        #expect(try await writer.write(first) == RecordOutcome(stored: 1, counted: 2, rowless: first.unloggedIDs))
        #expect(try await requests() == 3)
        #expect(first.unloggedIDs.count == 3 && first.tallies.map(\.records) == [1])
        // The same again, as after a death before the checkpoint, and more with it.
        let second = RecordBatch([counted(1), Self.record(2), counted(3), counted(4)])
        #expect(try await writer.write(second) == RecordOutcome(stored: 0, counted: 1, rowless: second.unloggedIDs))
        #expect(try await requests() == 4)
        let sums = try await pool.query("SELECT sum(tokens_in) AS t, sum(cost)::text AS c FROM usage.by_hour")[0]
        #expect(try sums.int("t") == 33 && sums.text("c") == "0.001305")
        #expect(try await pool.query("SELECT sum(requests) AS n FROM usage.totals_by_minute")[0].int("n") == 4)
        #expect(
            try await pool.query("SELECT id FROM logs").map { try $0.text("id") } == [Self.record(2).id.description])
        #expect(try await pool.query("SELECT 1 FROM log_bodies").isEmpty)
        #expect(try await pool.query("SELECT 1 FROM log_refusals").count == 3)
        // Once their batches cannot come again, the ids go.
        #expect(try await writer.write(RecordBatch([counted(5)])).counted == 1)
        try await writer.forget(second.unloggedIDs)
        #expect(
            try await pool.query("SELECT id FROM log_refusals").map { try $0.text("id") } == [
                counted(5).id.description
            ])
    }

    @Test("rows of any time find a partition; missing ones can be made ahead")
    func partitions() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        #expect(try await LogPartitions(pool).make(ahead: 2) == 0)
        #expect(try await LogPartitions(pool).make(ahead: 4) == 4)
        var old = Self.record(1)
        old.createdAt = Instant(milliseconds: 1000)
        old.requestBody = ByteBuffer(string: "x")
        #expect(try await RecordWriter(pool.makeSession()).write(RecordBatch([old])).stored == 1)
        #expect(try await pool.query("SELECT 1 FROM logs_default").count == 1)
    }
}
