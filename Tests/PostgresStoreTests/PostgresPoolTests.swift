import GatewayCore
import PostgresStore
import TestKit
import Testing

@Suite("PostgresPool", .timeLimit(.minutes(3)))
struct PostgresPoolTests {
    @Test("values of every type come back as they went")
    func roundTrip() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        let nasty = "a'; DROP TABLE logs; -- \u{1F600} \\ \" {} \n"
        let rows = try await pool.query(
            """
            SELECT $1 AS t, $2 AS i, $3 AS b, $4 AS d, $5 AS y, $6 AS n, $7 AS j, $8 AS z, $9 AS a, $10::text AS nothing,
                $11 AS early
            """,
            [
                .text(nasty), .int(-42), .bool(true), .double(0.1), .bytes([0, 255, 1]), .numeric("0.000000000001"),
                .json("{\"k\": 1.50}"), .instant(Instant(microseconds: 1_795_370_819_123_456)),
                .texts([nasty, "", "NULL", "a,b"]), .null, .instant(Instant(microseconds: -1)),
            ]
        )
        #expect(rows.count == 1)
        let row = rows[0]
        #expect(try row.text("t") == nasty)
        #expect(try row.int("i") == -42)
        #expect(try row.bool("b"))
        #expect(try row.double("d") == 0.1)
        #expect(try row.bytes("y") == [0, 255, 1])
        #expect(try row.text("n") == "0.000000000001")
        #expect(try row.text("j") == "{\"k\": 1.50}")
        #expect(try row.instant("z") == Instant(microseconds: 1_795_370_819_123_456))
        #expect(try row.texts("a") == [nasty, "", "NULL", "a,b"])
        #expect(try row.textOrNil("nothing") == nil)
        #expect(try row.instant("early") == Instant(microseconds: -1))
        #expect(throws: PostgresError.self) { try row.text("absent") }
        #expect(throws: PostgresError.self) { try row.text("nothing") }
        #expect(throws: PostgresError.self) { try row.int("t") }
        #expect(pool.health.isAvailable)
    }

    @Test("what joins a transaction sees it, is undone with it, and leaves trying again to whoever runs it")
    func joining() async throws {
        struct Undone: Error {}
        let pool = PostgresPool(url: try await TestDatabase.migrated(), size: 1)
        let account: [PostgresValue] = [.text("0123456789abcdef0123456789abcdef")]
        await #expect(throws: Undone.self) {
            try await pool.transaction { transaction in
                let joined = pool.joining(transaction)
                _ = try await joined.change("INSERT INTO accounts (id) VALUES ($1)", account)
                let written = try await joined.write { part in
                    try await part.query("UPDATE accounts SET name = 'x' WHERE id = $1 RETURNING id", account).count
                }
                #expect(written.value == 1 && written.version > 1)
                #expect(try await joined.query("SELECT FROM accounts").count == 1)
                throw Undone()
            }
        }
        #expect(try await pool.query("SELECT FROM accounts").isEmpty)
        // A conflict: the whole may be tried again, but no part of it by itself.
        let conflict: StaticString = "DO $$ BEGIN RAISE EXCEPTION 'met' USING ERRCODE = '40001'; END $$"
        for isPart in [false, true] {
            let error = await #expect(throws: PostgresError.self) {
                try await pool.transaction { transaction in
                    if isPart {
                        _ = try await pool.joining(transaction).query(conflict)
                    } else {
                        _ = try await transaction.query(conflict)
                    }
                }
            }
            #expect(error?.isTransient == !isPart && error?.isUnavailable == isPart)
        }
        #expect(pool.health.isAvailable)
    }

    @Test("a composed query numbers its values itself")
    func composed() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        var query = PostgresQuery("SELECT 1 AS one WHERE ")
        query.append("", value: .text("x"), " = ")
        query.append(value: .text("x"))
        var fragment = PostgresFragment(" AND 5 > ")
        fragment.append(value: .int(4))
        query.append(fragment)
        #expect(query.text == "SELECT 1 AS one WHERE $1 = $2 AND 5 > $3")
        #expect(try await pool.query(query).count == 1)
    }

    @Test("a zero byte in text is refused by the server, not cut off by the client")
    func zeroByte() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        let error = await #expect(throws: PostgresError.self) { _ = try await pool.query("SELECT $1", [.text("a\0b")]) }
        #expect(error?.sqlState == "22021")
        #expect(error?.kind == .refused)
    }

    @Test("a transaction is undone when its body throws and kept when it returns")
    func transactions() async throws {
        struct Stop: Error {}
        let pool = PostgresPool(url: try await TestDatabase.migrated())
        let account = String(repeating: "b", count: 32)
        await #expect(throws: Stop.self) {
            try await pool.transaction { transaction in
                _ = try await transaction.query("INSERT INTO accounts (id) VALUES ($1)", [.text(account)])
                throw Stop()
            }
        }
        #expect(try await pool.query("SELECT 1 FROM accounts").count == 0)
        let before = try await pool.query("SELECT version FROM config_version")[0].int("version")
        let seen = try await pool.transaction { transaction in
            _ = try await transaction.query("INSERT INTO accounts (id) VALUES ($1)", [.text(account)])
            return try await transaction.query("SELECT version FROM config_version")[0].int("version")
        }
        #expect(seen == before + 1)
        let error = await #expect(throws: PostgresError.self) {
            _ = try await pool.query("INSERT INTO accounts (id) VALUES ($1)", [.text(account)])
        }
        #expect(error?.isUniqueViolation == true)
        #expect(error?.constraint == "accounts_pkey")
    }

    @Test("more callers than connections are all served")
    func contention() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated(), size: 2)
        let sum = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<100 {
                group.addTask { try await pool.query("SELECT $1 AS n", [.int(number)])[0].int("n") }
            }
            return try await group.reduce(0, +)
        }
        #expect(sum == 4950)
    }

    @Test("a caller that is cancelled while it waits for a connection does not keep one")
    func cancelled() async throws {
        let pool = PostgresPool(url: try await TestDatabase.migrated(), size: 1)
        // Cancelled while it stands in line, or before it gets there.
        for yields in 0..<20 {
            try await pool.transaction { _ in
                let waiter = Task { try await pool.query("SELECT 1") }
                for _ in 0..<yields { await Task.yield() }
                waiter.cancel()
                await #expect(throws: PostgresError.self) { try await waiter.value }
            }
        }
        #expect(try await pool.query("SELECT 1").count == 1)
    }

    @Test("connections come back after the server was killed, and fail fast while it is away")
    func reconnects() async throws {
        let server = PostgresServer()
        // Whoever waited for a connection would wait beyond the suite's limit.
        var options = PostgresOptions(url: try await server.emptyDatabase())
        options.connectTimeout = .seconds(3600)
        let pool = PostgresPool(options)
        #expect(try await pool.query("SELECT 1").count == 1)
        let before = pool.health
        #expect(before.isAvailable)
        try await server.crash()
        for _ in 0..<20 {
            let error = await #expect(throws: PostgresError.self) { _ = try await pool.query("SELECT 1") }
            #expect(error?.isUnavailable == true)
        }
        #expect(!pool.health.isAvailable)
        #expect(pool.health.since > before.since)
        try await server.restart()
        var answered = false
        for _ in 0..<200 where !answered {
            answered = (try? await pool.query("SELECT 1")) != nil
            if !answered { try await Task.sleep(for: .milliseconds(20)) }
        }
        #expect(answered)
        #expect(pool.health.isAvailable)
        try await server.shutDown()
    }

    @Test("a connection that the server ended while nobody used it is made anew before it is used")
    func endedWhileIdle() async throws {
        let url = try await TestDatabase.migrated()
        let (pool, other) = (PostgresPool(url: url, size: 1), PostgresPool(url: url, size: 1))
        for _ in 0..<3 {
            let process = try await pool.query("SELECT pg_backend_pid() AS id")[0].int("id")
            let ended = try await other.query("SELECT pg_terminate_backend($1::int, 10000) AS ended", [.int(process)])
            #expect(try ended[0].bool("ended"))
            let next = try await pool.transaction { try await $0.query("SELECT pg_backend_pid() AS id")[0].int("id") }
            #expect(next != process)
        }
    }

    @Test("a server that stops answering holds nobody longer than the statement time-out")
    func frozen() async throws {
        let server = PostgresServer()
        var options = PostgresOptions(url: try await server.emptyDatabase())
        options.statementTimeout = .milliseconds(1500)
        options.connectTimeout = .seconds(30)
        let pool = PostgresPool(options, size: 1)
        // The first one may be late where everything is new to the machine.
        while (try? await pool.query("SELECT 1")) == nil {}
        await server.freeze()
        // The server stays frozen: without a time-out this would never come back.
        let error = await #expect(throws: PostgresError.self) { _ = try await pool.query("SELECT 1") }
        #expect(error?.isUnavailable == true)
        await server.thaw()
        try await server.shutDown()
    }

    @Test("a listener hears of changes and says when it may have missed some")
    func listener() async throws {
        let server = PostgresServer()
        let url = try await TestDatabase.migrated(on: server)
        let pool = PostgresPool(url: url)
        let (events, continuation) = AsyncStream.makeStream(of: PostgresListener.Event.self)
        let listening = Task {
            await PostgresListener(pool.makeSession()).run(.configuration) { continuation.yield($0) }
        }
        var iterator = events.makeAsyncIterator()
        #expect(await iterator.next() == .listening)
        let before = try await pool.query("SELECT version FROM config_version")[0].int("version")
        _ = try await pool.query("INSERT INTO accounts (id) VALUES ($1)", [.text(String(repeating: "c", count: 32))])
        #expect(await iterator.next() == .notified(payload: "\(before + 1)"))
        try await server.crash()
        guard case .lost? = await iterator.next() else {
            Issue.record("the loss was not reported")
            return
        }
        try await server.restart()
        #expect(await iterator.next() == .listening)
        listening.cancel()
        await listening.value
        try await server.shutDown()
    }
}
