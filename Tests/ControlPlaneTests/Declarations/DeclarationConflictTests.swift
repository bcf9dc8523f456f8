import GatewayCore
import PostgresStore
import Testing

@testable import ControlPlane

@Suite("Files of declarations, applied while others change the configuration")
struct DeclarationConflictTests {
    private static let otel = #"[{"url":"https://otel.example/v1","headers":{"x-key":"KEY"}}]"#
    private static let file = """
        version: 1
        gateways:
          - id: g
            authentication: true
            cache_ttl: 60
            otel: [{url: "https://otel.example/v1", headers: {x-key: "****"}}]
        """

    private static let waits: StaticString = """
        SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
        """

    private func fixture() async throws -> DeclarationFixture {
        let fixture = try await DeclarationFixture()
        try await fixture.apply(
            Self.file.replacing("****", with: "old-value").replacing("cache_ttl: 60", with: "cache_ttl: 0"))
        return fixture
    }

    /// Applies the file while somebody else's transaction is under way, which `change` begins and this one commits after
    /// the import had time to read and to wait.
    private func apply(
        _ text: String, _ fixture: DeclarationFixture,
        during change: @escaping @Sendable (PostgresTransaction) async throws -> Void
    ) async throws -> DeclarationAdministration.Outcome {
        let others = PostgresPool(fixture.options, size: 1)
        return try await withThrowingTaskGroup(of: DeclarationAdministration.Outcome.self) { group in
            try await others.transaction { transaction in
                try await change(transaction)
                group.addTask { try await fixture.apply(text) }
                try await Task.sleep(for: .milliseconds(300))
            }
            return try #require(try await group.next())
        }
    }

    @Test("a header value that is rotated meanwhile is the one that **** keeps")
    func rotation() async throws {
        let fixture = try await fixture()
        let outcome = try await apply(Self.file, fixture) { transaction in
            _ = try await transaction.query(
                "UPDATE gateways SET otel = $1::text::jsonb WHERE id = 'g'",
                [.text(Self.otel.replacing("KEY", with: "new-value"))])
        }
        #expect(outcome.report.lines.contains("    cache_ttl: 0 -> 60"))
        let row = try #require(try await fixture.pool.query("SELECT cache_ttl, otel FROM gateways").first)
        #expect(try row.int("cache_ttl") == 60)
        #expect(try row.text("otel").contains("new-value"))
    }

    @Test("a gateway that goes meanwhile is made again, and the import is not refused")
    func removal() async throws {
        let fixture = try await fixture()
        let text = Self.file.replacing("\"****\"", with: "given")
        let outcome = try await apply(text, fixture) { transaction in
            _ = try await transaction.query("DELETE FROM gateways WHERE id = 'g'")
        }
        #expect(outcome.report.created == 1)
        #expect(try await fixture.changes(of: text) == [])
    }

    @Test("an import that the server ends as one of two that wait for each other is done again")
    func deadlock() async throws {
        let fixture = try await fixture()
        let others = PostgresPool(fixture.options, size: 1)
        var isLate: Bool
        repeat {
            isLate = false
            do {
                let outcome = try await withThrowingTaskGroup(of: DeclarationAdministration.Outcome.self) { group in
                    try await others.transaction { transaction in
                        // By hand, in the other order: first the row, then what its trigger locks. The import waits
                        // first, so that the server ends that.
                        _ = try await transaction.query("SELECT FROM gateways WHERE id = 'g' FOR UPDATE")
                        group.addTask { try await fixture.apply(Self.file) }
                        while try await fixture.pool.query(Self.waits).isEmpty {
                            try await Task.sleep(for: .milliseconds(10))
                        }
                        _ = try await transaction.query("UPDATE gateways SET rate_limiting_limit = 7 WHERE id = 'g'")
                    }
                    return try #require(try await group.next())
                }
                #expect(outcome.report.lines.contains("    rate_limiting_limit: 7 -> 0"))
            } catch let error as PostgresError where error.isTransient {
                // The import had looked for a deadlock before there was one, so the server ended the other.
                isLate = true
                _ = try await fixture.pool.query("UPDATE gateways SET cache_ttl = 0 WHERE id = 'g'")
            }
        } while isLate
        #expect(try await fixture.changes(of: Self.file) == [])
    }

    @Test("a lock that outlasts a statement is waited for, and one that stays is told as what it is")
    func longLock() async throws {
        let fixture = try await fixture()
        var options = fixture.options
        options.statementTimeout = .seconds(2)
        let hasty = DeclarationFixture(fixture, PostgresPool(options, size: 1))
        let others = PostgresPool(fixture.options, size: 1)
        try await withThrowingTaskGroup(of: Void.self) { group in
            try await others.transaction { transaction in
                _ = try await transaction.query("SELECT FROM config_version FOR UPDATE")
                group.addTask { try await hasty.apply(Self.file) }
                try await Task.sleep(for: .seconds(5))
            }
            try await group.waitForAll()
        }
        #expect(try await fixture.changes(of: Self.file) == [])
        // Somebody who gives up is not told that PostgreSQL is away.
        let failure = try await others.transaction { transaction -> DeclarationFailure? in
            _ = try await transaction.query("SELECT FROM config_version FOR UPDATE")
            let attempt = Task { try await hasty.apply(Self.file.replacing("cache_ttl: 60", with: "cache_ttl: 1")) }
            try await Task.sleep(for: .milliseconds(100))
            attempt.cancel()
            do {
                _ = try await attempt.value
                return nil
            } catch {
                return error as? DeclarationFailure
            }
        }
        #expect(failure == .contended([]))
    }

    @Test("imports and calls that change the same gateways in other orders all come through")
    func crossing() async throws {
        let fixture = try await DeclarationFixture()
        let names = (0..<12).map { "g\($0)" }
        func file(_ ttl: Int) -> String {
            let entries = names.map { "{id: \($0), authentication: true, cache_ttl: \(ttl)}" }
            return "version: 1\ngateways: [\(entries.joined(separator: ", "))]"
        }
        try await fixture.apply(file(0))
        let gateways = GatewayRepository(PostgresPool(fixture.options, size: 4))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { for ttl in 1...10 { try await fixture.apply(file(ttl)) } }
            for turn in 0..<4 {
                group.addTask {
                    // Not through a use case, which would try again what a deadlock undid.
                    for name in turn.isMultiple(of: 2) ? names.reversed() : names {
                        let written = try await gateways.update(GatewayID(name), of: DeclarationFixture.account) {
                            var settings = $0
                            settings.rateLimitingLimit = turn
                            return settings
                        }
                        #expect(written != nil)
                    }
                }
            }
            try await group.waitForAll()
        }
        let rows = try await fixture.pool.query(
            "SELECT cache_ttl, rate_limiting_limit FROM gateways WHERE id LIKE 'g%'")
        #expect(rows.count == names.count)
        for row in rows {
            #expect(try row.int("cache_ttl") == 10)
            #expect((0..<4).contains(try row.int("rate_limiting_limit")))
        }
    }

    @Test("a name that was taken at the same moment is told as what the whole can try again")
    func uniqueness() async throws {
        let fixture = try await DeclarationFixture()
        let error = await #expect(throws: PostgresError.self) {
            try await fixture.pool.transaction(.configuration) { transaction in
                let account: [PostgresValue] = [.text(DeclarationFixture.account.rawValue)]
                _ = try await fixture.pool.joining(transaction).query("INSERT INTO accounts (id) VALUES ($1)", account)
            }
        }
        #expect(error?.isUnavailable == true && error?.constraint == "accounts_pkey")
    }
}
