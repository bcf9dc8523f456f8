import PostgresStore
import TestKit
import Testing

@Suite("Migrator")
struct MigratorTests {
    @Test("an empty database gets every migration once, a second run applies none")
    func idempotent() async throws {
        let url = try await PostgresServer.shared.emptyDatabase()
        let migrations = try TestDatabase.migrations
        let migrator = Migrator(PostgresOptions(url: url))
        #expect(try await migrator.migrate(migrations) == migrations)
        #expect(try await migrator.migrate(migrations).isEmpty)
        let count = try await PostgresServer.shared.psql(url, "SELECT count(*) FROM schema_migrations")
        #expect(count == "\(migrations.count)")
    }

    @Test("nodes that start together apply each migration exactly once")
    func concurrent() async throws {
        let url = try await PostgresServer.shared.emptyDatabase()
        let migrations = try TestDatabase.migrations
        let applied = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<6 {
                group.addTask { try await Migrator(PostgresOptions(url: url)).migrate(migrations).count }
            }
            return try await group.reduce(0, +)
        }
        #expect(applied == migrations.count)
    }

    @Test("a migration that fails leaves nothing behind and names itself")
    func failing() async throws {
        let url = try await PostgresServer.shared.emptyDatabase()
        let good = Migration(number: 1, name: "0001_a.sql", sql: "CREATE TABLE a (x int);")
        let bad = Migration(number: 2, name: "0002_b.sql", sql: "CREATE TABLE b (x int); SELECT no_such_function();")
        let error = await #expect(throws: MigrationError.self) {
            try await Migrator(PostgresOptions(url: url)).migrate([good, bad])
        }
        guard case .failed(let name, let cause)? = error else {
            Issue.record("unexpected \(String(describing: error))")
            return
        }
        #expect(name == "0002_b.sql")
        #expect(cause.sqlState == "42883")
        let tables = try await PostgresServer.shared.psql(
            url, "SELECT to_regclass('a') || '/' || coalesce(to_regclass('b')::text, 'none')")
        #expect(tables == "a/none")
    }

    @Test("a migration that meets the transactions of other nodes is tried again")
    func deadlock() async throws {
        let url = try await PostgresServer.shared.emptyDatabase()
        try await PostgresServer.shared.psql(url, "CREATE TABLE a (x int); CREATE TABLE b (x int)")
        let writer = PostgresSession(PostgresOptions(url: url))
        try await writer.begin()
        _ = try await writer.query("INSERT INTO b VALUES (1)")
        // The migration finds the deadlock, and is the one that gives way: the writer looks for it much later.
        _ = try await writer.query("SET LOCAL deadlock_timeout = '60s'")
        let migration = Migration(
            number: 1, name: "0001_a.sql",
            sql: "SET LOCAL deadlock_timeout = '2s'; LOCK TABLE a IN SHARE MODE; LOCK TABLE b IN SHARE MODE;")
        async let applied = Migrator(PostgresOptions(url: url)).migrate([migration])
        let waits: StaticString = """
            SELECT FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND relation = 'b'::regclass AND NOT granted
            """
        while try await writer.query(waits).isEmpty {
            try await Task.sleep(for: .milliseconds(10))
        }
        _ = try await writer.query("INSERT INTO a VALUES (1)")
        try await writer.commit()
        #expect(try await applied == [migration])
    }

    @Test("a migration that waits for a table lets others pass, and is tried again")
    func patience() async throws {
        let url = try await PostgresServer.shared.emptyDatabase()
        try await PostgresServer.shared.psql(url, "CREATE TABLE a (x int)")
        let reader = PostgresSession(PostgresOptions(url: url))
        try await reader.begin()
        _ = try await reader.query("SELECT FROM a")
        let migration = Migration(number: 1, name: "0001_a.sql", sql: "ALTER TABLE a ADD COLUMN y int")
        async let applied = Migrator(PostgresOptions(url: url)).migrate([migration])
        let waits: StaticString = """
            SELECT FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND relation = 'a'::regclass AND NOT granted
            """
        while try await reader.query(waits).isEmpty { try await Task.sleep(for: .milliseconds(10)) }
        // It gives up waiting, though the reader goes on.
        var looks = 0
        while try await !reader.query(waits).isEmpty, looks < 1500 {
            try await Task.sleep(for: .milliseconds(10))
            looks += 1
        }
        #expect(looks < 1500, "it waits for ever")
        try await reader.commit()
        #expect(try await applied == [migration])
    }

    @Test("what may work the next time is told apart from what cannot")
    func temporary() {
        for (state, isTemporary) in [("40P01", true), ("55P03", true), ("40001", true), ("42883", false)] {
            let error = PostgresError(.refused, "no", sqlState: state)
            #expect(MigrationError.failed(name: "0001_a.sql", error).isTemporary == isTemporary)
        }
        #expect(MigrationError.database(PostgresError(.unavailable, "away")).isTemporary)
        #expect(!MigrationError.newerSchema(number: 2).isTemporary)
    }

    @Test("an edited migration and a newer schema are refused")
    func refused() async throws {
        let url = try await PostgresServer.shared.emptyDatabase()
        let first = Migration(number: 1, name: "0001_a.sql", sql: "CREATE TABLE a (x int);")
        let second = Migration(number: 2, name: "0002_b.sql", sql: "CREATE TABLE b (x int);")
        let migrator = Migrator(PostgresOptions(url: url))
        _ = try await migrator.migrate([first, second])
        var edited = first
        edited.sql += " -- changed"
        await #expect(throws: MigrationError.changed(name: "0001_a.sql")) {
            try await migrator.migrate([edited, second])
        }
        await #expect(throws: MigrationError.newerSchema(number: 2)) { try await migrator.migrate([first]) }
    }

    @Test("every change of configuration raises the version, the last use of a token does not")
    func version() async throws {
        let url = try await TestDatabase.migrated()
        let server = PostgresServer.shared
        func version() async throws -> Int {
            Int(try await server.psql(url, "SELECT version FROM config_version")) ?? -1
        }
        let account = String(repeating: "a", count: 32)
        let start = try await version()
        try await server.psql(url, "INSERT INTO accounts (id) VALUES ('\(account)')")
        #expect(try await version() == start + 1)
        try await server.psql(
            url,
            """
            INSERT INTO gateways (account_id, id, cache_invalidate_on_update, collect_logs)
            VALUES ('\(account)', 'g', false, true)
            """)
        #expect(try await version() == start + 2)
        try await server.psql(
            url,
            """
            INSERT INTO api_tokens (id, account_id, token_hash, permissions)
            VALUES ('\(account)', '\(account)', decode(repeat('ab', 32), 'hex'), '{run}')
            """)
        #expect(try await version() == start + 3)
        try await server.psql(url, "UPDATE api_tokens SET last_used_at = now()")
        #expect(try await version() == start + 3)
        try await server.psql(url, "UPDATE api_tokens SET revoked_at = now()")
        #expect(try await version() == start + 4)
        try await server.psql(url, "DELETE FROM accounts")
        #expect(try await version() > start + 4)
    }

    @Test("a partition that is made late takes over the rows of its month from the default partition")
    func partitions() async throws {
        let url = try await TestDatabase.migrated()
        let server = PostgresServer.shared
        try await server.psql(
            url,
            "INSERT INTO log_bodies (id, created_at, request) VALUES ('x', '2031-05-15 00:00+00', 'r'), ('y', '2031-06-01 00:00+00', 'r')"
        )
        #expect(try await server.psql(url, "SELECT count(*) FROM log_bodies_default") == "2")
        #expect(try await server.psql(url, "SELECT make_log_partition('log_bodies', '2031-05-03')") == "t")
        #expect(try await server.psql(url, "SELECT make_log_partition('log_bodies', '2031-05-30')") == "f")
        #expect(try await server.psql(url, "SELECT count(*) FROM log_bodies_default") == "1")
        #expect(try await server.psql(url, "SELECT id FROM log_bodies_203105") == "x")
        #expect(try await server.psql(url, "SELECT count(*) FROM log_bodies") == "2")
    }
}
