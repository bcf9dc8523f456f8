import GatewayCore
import PostgresStore
import Testing

@Suite("The version of the configuration")
struct ConfigurationVersionTests {
    private static let account = String(repeating: "a", count: 32)

    private func pool(size: Int = 4) async throws -> PostgresPool {
        let pool = PostgresPool(url: try await TestDatabase.migrated(), size: size)
        _ = try await pool.query("INSERT INTO accounts (id) VALUES ($1)", [.text(Self.account)])
        return pool
    }

    private func store(_ name: String, _ transaction: PostgresTransaction) async throws {
        _ = try await transaction.query(
            "INSERT INTO secret_stores (id, account_id, name) VALUES (md5($2), $1, $2)",
            [.text(Self.account), .text(name)])
    }

    @Test("rises once for a transaction of many changes, and is told once")
    func once() async throws {
        let pool = try await pool()
        let (events, continuation) = AsyncStream.makeStream(of: PostgresListener.Event.self)
        let listening = Task {
            await PostgresListener(pool.makeSession()).run(.configuration) { continuation.yield($0) }
        }
        var iterator = events.makeAsyncIterator()
        #expect(await iterator.next() == .listening)
        let versions = ConfigurationRepository(pool)
        let before = try await versions.version()
        let written = try await pool.write { transaction in
            for number in 0..<50 { try await store("s\(number)", transaction) }
            _ = try await transaction.query("DELETE FROM secret_stores WHERE name = 's7'")
        }
        #expect(written.version == before + 1)
        #expect(try await versions.version() == before + 1)
        // The same connection and another transaction: the next version.
        let next = try await pool.write { try await store("next", $0) }
        #expect(next.version == before + 2)
        for expected in [before + 1, before + 2] {
            #expect(await iterator.next() == .notified(payload: "\(expected)"))
        }
        listening.cancel()
        await listening.value
    }

    @Test("rises as well when what raised it first was undone by a savepoint")
    func savepoints() async throws {
        let pool = try await pool()
        let versions = ConfigurationRepository(pool)
        let before = try await versions.version()
        let written = try await pool.write { transaction in
            _ = try await transaction.query("SAVEPOINT first")
            try await store("undone", transaction)
            _ = try await transaction.query("ROLLBACK TO SAVEPOINT first")
            _ = try await transaction.query("SAVEPOINT second")
            try await store("kept", transaction)
            _ = try await transaction.query("RELEASE SAVEPOINT second")
            try await store("more", transaction)
        }
        #expect(written.version == before + 1)
        #expect(try await versions.version() == before + 1)
        await #expect(throws: PostgresError.self) {
            try await pool.write { transaction in
                try await store("lost", transaction)
                try await store("lost", transaction)
            }
        }
        #expect(try await versions.version() == before + 1)
    }

    @Test("every write is told a version of its own, and whoever reads it sees the change")
    func concurrent() async throws {
        let pool = try await pool(size: 8)
        let before = try await ConfigurationRepository(pool).version()
        let told = try await withThrowingTaskGroup(of: UInt64.self) { group in
            for number in 0..<40 {
                group.addTask {
                    let name = "s\(number)"
                    let written = try await pool.write { transaction in
                        try await store(name, transaction)
                        try await store(name + "b", transaction)
                    }
                    let seen = try await pool.transaction(.snapshot) { transaction in
                        let version = try await transaction.query("SELECT version FROM config_version")[0].int(
                            "version")
                        let rows = try await transaction.query(
                            "SELECT FROM secret_stores WHERE name IN ($1, $1 || 'b')", [.text(name)])
                        return version >= Int(written.version) && rows.count == 2
                    }
                    #expect(seen)
                    return written.version
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(told.sorted() == (1...40).map { before + UInt64($0) })
    }

    @Test("changes of configuration come one after the other, whatever rows they take first")
    func turns() async throws {
        let pool = try await pool(size: 8)
        for name in ["one", "two"] { _ = try await pool.write { try await store(name, $0) } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for turn in 0..<16 {
                group.addTask {
                    let names = turn.isMultiple(of: 2) ? ["one", "two"] : ["two", "one"]
                    _ = try await pool.write { transaction in
                        for name in names {
                            _ = try await transaction.query(
                                "SELECT FROM secret_stores WHERE name = $1 FOR UPDATE", [.text(name)])
                            try await Task.sleep(for: .milliseconds(5))
                        }
                        _ = try await transaction.query(
                            "UPDATE secret_stores SET modified_at = now() WHERE name = $1", [.text(names[0])])
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
