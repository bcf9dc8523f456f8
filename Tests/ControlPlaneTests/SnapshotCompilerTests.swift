import ControlPlane
import GatewayCore
import PostgresStore
import Synchronization
import TestKit
import Testing

@Suite("SnapshotCompiler")
struct SnapshotCompilerTests {
    private static let account = "0123456789abcdef0123456789abcdef"

    /// What was handed on, newest last.
    private final class Published: Sendable {
        private let snapshots = Mutex<[ConfigSnapshot]>([])
        func add(_ snapshot: ConfigSnapshot) { snapshots.withLock { $0.append(snapshot) } }
        var all: [ConfigSnapshot] { snapshots.withLock { $0 } }
    }

    private final class Count: Sendable {
        private let number = Mutex(0)
        func raise() { number.withLock { $0 += 1 } }
        var value: Int { number.withLock { $0 } }
    }

    private func migrated() async throws -> String {
        try await PostgresServer.shared.database(template: "migrated") { url in
            let folder = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
            let source = MigrationSource(directory: "/" + folder + "/migrations")
            _ = try await Migrator(PostgresOptions(url: url)).migrate(source.load())
        }
    }

    private func until(_ limit: Duration, _ condition: () async -> Bool) async -> Bool {
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline {
            if await condition() { return true }
            try? await Task.sleep(for: .milliseconds(5))
        }
        return false
    }

    @Test("a change made by anybody is handed on when it is notified, and versions only grow")
    func notifications() async throws {
        let url = try await migrated()
        let published = Published()
        let compiler = SnapshotCompiler(
            PostgresPool(url: url, size: 2), checkInterval: .seconds(3600), publish: { published.add($0) },
            report: { if case .failed(let reason) = $0 { Issue.record("\(reason)") } }
        )
        let work = Task { await compiler.run() }
        #expect(await until(.seconds(60)) { await compiler.version != nil })
        try await PostgresServer.shared.psql(url, "INSERT INTO accounts (id) VALUES ('\(Self.account)')")
        #expect(await until(.seconds(60)) { published.all.last?.accounts == [AccountID(Self.account)] })
        let gateways = GatewayAdministration(PostgresPool(url: url, size: 1))
        let version = try await gateways.provisionDefault(of: AccountID(Self.account))
        #expect(await compiler.wait(for: version, atMost: .seconds(60)))
        let gateway = try #require(published.all.last?.gateways.first)
        #expect(gateway.id == .default)
        #expect(gateway.authentication)
        #expect(gateway.collectLogs)
        #expect(gateway.cacheTTLSeconds == 0)
        #expect(gateway.rateLimit == 0)
        let versions = published.all.map(\.version)
        #expect(versions == versions.sorted())
        #expect(Set(versions).count == versions.count)
        #expect(await compiler.wait(for: version + 1000, atMost: .milliseconds(20)) == false)
        work.cancel()
        await work.value
    }

    @Test("the default gateway is made once, and only for accounts that exist")
    func provisioning() async throws {
        let url = try await migrated()
        let pool = PostgresPool(url: url, size: 2)
        let gateways = GatewayAdministration(pool)
        await #expect(throws: ControlError.notFound) {
            try await gateways.provisionDefault(of: AccountID(Self.account))
        }
        try await PostgresServer.shared.psql(url, "INSERT INTO accounts (id) VALUES ('\(Self.account)')")
        try await withThrowingDiscardingTaskGroup { group in
            for _ in 0..<8 {
                group.addTask { _ = try await gateways.provisionDefault(of: AccountID(Self.account)) }
            }
        }
        #expect(try await ConfigurationRepository(pool).snapshot().gateways.count == 1)
    }

    @Test("without a database nothing is handed on and the outage is told once")
    func outage() async {
        let failures = Count()
        let compiler = SnapshotCompiler(
            PostgresPool(url: "postgresql:///none?host=/nonexistent"),
            publish: { _ in Issue.record("a snapshot without a database") },
            report: { _ in failures.raise() }
        )
        for _ in 0..<3 { #expect(await compiler.compileIfChanged() == false) }
        #expect(failures.value == 1)
        #expect(await compiler.version == nil)
    }
}
