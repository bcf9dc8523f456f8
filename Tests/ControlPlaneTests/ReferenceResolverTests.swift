import ControlPlane
import ExternalSecrets
import Foundation
import GatewayCore
import PostgresStore
import SecretVault
import Synchronization
import TestKit
import Testing

@Suite("ReferenceResolver")
struct ReferenceResolverTests {
    private static let account: AccountID = "0123456789abcdef0123456789abcdef"

    /// A file with a value, a resolver that reads it often, and what the resolver says.
    private final class Scene: Sendable {
        let path = NSTemporaryDirectory() + "aig-reference-" + UUID().uuidString
        let vault: Vault
        let events = Mutex<[ReferenceResolver.Event]>([])

        init() throws { vault = Vault(masterKey: try MasterKey(Secret([UInt8](repeating: 5, count: 32)))) }
        deinit { unlink(path) }

        func write(_ value: String) throws {
            // At once, because somebody reads it all the time: never seen empty, or with the mode of a new file.
            try Data(value.utf8).write(to: URL(fileURLWithPath: path + ".new"))
            chmod(path + ".new", 0o600)
            #expect(rename(path + ".new", path) == 0)
        }

        func makeUnreadable() { chmod(path, 0o644) }

        func resolver(
            interval: Duration = .milliseconds(10), previous: ConfigSnapshot? = nil
        ) -> ReferenceResolver {
            ReferenceResolver(
                ExternalSecrets(rules: ReferenceRules(["file:/*", "env:KEY"]), environment: ["KEY": "e"], vault: nil),
                vault: vault, interval: interval, patience: .seconds(120), previous: previous
            ) { [weak self] event in self?.events.withLock { $0.append(event) } }
        }

        func stored(_ text: String, id: SecretID = "s") throws -> SealedSecret {
            SealedSecret(
                id: id, account: ReferenceResolverTests.account, name: "n-\(id)",
                envelope: try vault.seal(
                    Secret(Array(text.utf8)), account: ReferenceResolverTests.account, secretID: id)
            )
        }

        func texts(_ sealed: [SealedSecret]) throws -> [String] {
            try sealed.map { String(decoding: try vault.open($0).reveal(), as: UTF8.self) }
        }
    }

    @Test("a reference is followed at once, its value is sealed like any other, and equal values stay equal envelopes")
    func resolution() async throws {
        let scene = try Scene()
        try scene.write("one")
        let resolver = scene.resolver(interval: .milliseconds(5))
        let work = Task { await resolver.run() }
        defer { work.cancel() }
        let references = [try scene.stored("file:" + scene.path), try scene.stored("env:KEY", id: "t")]
        let first = await resolver.resolve(references, version: 1)
        #expect(try scene.texts(first) == ["one", "e"])
        #expect(first.map(\.id) == ["s", "t"] && first.map(\.name) == ["n-s", "n-t"])
        try await Task.sleep(for: .milliseconds(50))
        #expect(await resolver.resolve(references, version: 2) == first)
        #expect(scene.events.withLock { $0.isEmpty })
    }

    @Test("a change is told, a source that fails leaves the last value, one that says no takes it away")
    func changes() async throws {
        let scene = try Scene()
        try scene.write("one")
        let resolver = scene.resolver()
        let work = Task { await resolver.run() }
        defer { work.cancel() }
        let references = [try scene.stored("file:" + scene.path)]
        #expect(try scene.texts(await resolver.resolve(references, version: 1)) == ["one"])
        var changes = resolver.changes.makeAsyncIterator()
        try scene.write("two")
        await changes.next()
        #expect(try scene.texts(await resolver.resolve(references, version: 1)) == ["two"])

        scene.makeUnreadable()
        while scene.events.withLock({ $0.isEmpty }) { try await Task.sleep(for: .milliseconds(2)) }
        #expect(try scene.texts(await resolver.resolve(references, version: 1)) == ["two"])
        guard case .failed("s", Self.account, "n-s", let reason, true) = scene.events.withLock({ $0[0] }) else {
            Issue.record("\(scene.events.withLock { $0 })")
            return
        }
        #expect(reason.contains("everybody") && !reason.contains("two"))

        unlink(scene.path)
        await changes.next()
        #expect(await resolver.resolve(references, version: 1).isEmpty)
        try scene.write("three")
        await changes.next()
        #expect(try scene.texts(await resolver.resolve(references, version: 1)) == ["three"])
        #expect(scene.events.withLock { $0.last } == .restored("s", account: Self.account, name: "n-s"))
        #expect(scene.events.withLock { $0.count } == 3, "told once per outage")
    }

    @Test("a value from the snapshot on disk serves until its source answers, but not for a changed configuration")
    func previous() async throws {
        let scene = try Scene()
        try scene.write("unreadable")
        scene.makeUnreadable()
        var snapshot = ConfigSnapshot(version: 7)
        snapshot.secrets = [try scene.stored("from disk")]
        for (version, expected) in [(UInt64(7), ["from disk"]), (8, [])] {
            let resolver = scene.resolver(previous: snapshot)
            let work = Task { await resolver.run() }
            defer { work.cancel() }
            let values = await resolver.resolve([try scene.stored("file:" + scene.path)], version: version)
            #expect(try scene.texts(values) == expected)
        }
    }

    @Test("a reference that is replaced gets the new value, one that is gone is forgotten")
    func replacement() async throws {
        let scene = try Scene()
        try scene.write("one")
        let resolver = scene.resolver()
        let work = Task { await resolver.run() }
        defer { work.cancel() }
        #expect(try scene.texts(await resolver.resolve([scene.stored("file:" + scene.path)], version: 1)) == ["one"])
        #expect(try scene.texts(await resolver.resolve([scene.stored("env:KEY")], version: 2)) == ["e"])
        #expect(await resolver.resolve([], version: 3).isEmpty)
        #expect(await resolver.resolve([try scene.stored("nonsense")], version: 4).isEmpty)
    }

    @Test("the same reference in another envelope keeps its value while the source is away, another one does not")
    func rewrapped() async throws {
        let scene = try Scene()
        try scene.write("one")
        let resolver = scene.resolver()
        let work = Task { await resolver.run() }
        defer { work.cancel() }
        let first = try scene.stored("file:" + scene.path)
        #expect(try scene.texts(await resolver.resolve([first], version: 1)) == ["one"])
        scene.makeUnreadable()
        var second = try scene.stored("file:" + scene.path)
        #expect(first.envelope != second.envelope)
        second.name = "renamed"
        let kept = await resolver.resolve([second], version: 2)
        #expect(try scene.texts(kept) == ["one"])
        #expect(kept.map(\.name) == ["renamed"])
        #expect(await resolver.resolve([try scene.stored("file:" + scene.path + ".other")], version: 3).isEmpty)
        #expect(await resolver.resolve([second], version: 4).isEmpty, "a value is not kept for a reference that left")
        try scene.write("two")
        var changes = resolver.changes.makeAsyncIterator()
        await changes.next()
        #expect(try scene.texts(await resolver.resolve([second], version: 4)) == ["two"])
    }

    @Test("a changed value is handed on as the same version once more")
    func compiler() async throws {
        let scene = try Scene()
        try scene.write("one")
        let url = try await PostgresServer.shared.database(template: "migrated") { url in
            let folder = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
            let source = MigrationSource(directory: "/" + folder + "/migrations")
            _ = try await Migrator(PostgresOptions(url: url)).migrate(source.load())
        }
        let pool = PostgresPool(url: url, size: 2)
        try await PostgresServer.shared.psql(url, "INSERT INTO accounts (id) VALUES ('\(Self.account)')")
        let sealer = SecretSealer(vault: scene.vault, rules: ReferenceRules(["file:/*"]))
        let store = SecretsStoreAdministration(pool, sealer: sealer, limits: .init(stores: 9, secrets: 9))
        let written = try await store.put(
            "n", value: "file:" + scene.path, scopes: ["ai_gateway"], comment: nil, of: Self.account
        )
        let published = Mutex<[ConfigSnapshot]>([])
        let compiler = SnapshotCompiler(
            pool, references: scene.resolver(),
            publish: { snapshot in published.withLock { $0.append(snapshot) } },
            report: { if case .failed(let reason) = $0 { Issue.record("\(reason)") } }
        )
        let work = Task { await compiler.run() }
        #expect(await compiler.wait(for: written.version, atMost: .seconds(60)))
        #expect(try scene.texts(published.withLock { $0.last }?.secrets ?? []) == ["one"])
        let count = published.withLock { $0.count }
        try scene.write("two")
        while published.withLock({ $0.count }) == count { try await Task.sleep(for: .milliseconds(2)) }
        let last = try #require(published.withLock { $0.last })
        #expect(try scene.texts(last.secrets) == ["two"])
        #expect(last.version == written.version)
        work.cancel()
        await work.value
    }

    @Test("a rotation puts everything under the new key in one go and leaves what it cannot open")
    func rotation() async throws {
        let url = try await PostgresServer.shared.database(template: "migrated") { url in
            let folder = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
            let source = MigrationSource(directory: "/" + folder + "/migrations")
            _ = try await Migrator(PostgresOptions(url: url)).migrate(source.load())
        }
        let pool = PostgresPool(url: url, size: 2)
        try await PostgresServer.shared.psql(url, "INSERT INTO accounts (id) VALUES ('\(Self.account)')")
        func keys(_ bytes: UInt8...) throws -> MasterKey {
            try MasterKey(Secret(bytes.flatMap { [UInt8](repeating: $0, count: 32) }))
        }
        func store(_ key: MasterKey) -> SecretsStoreAdministration {
            SecretsStoreAdministration(
                pool, sealer: SecretSealer(vault: Vault(masterKey: key), rules: ReferenceRules([])),
                limits: .init(stores: 9, secrets: 9)
            )
        }
        for name in ["a", "b"] {
            _ = try await store(keys(1)).put(
                name, value: "v-" + name, scopes: ["ai_gateway"], comment: nil, of: Self.account)
        }
        let lost = try await store(keys(9)).put("c", value: "v", scopes: ["ai_gateway"], comment: nil, of: Self.account)
        let report = try await MasterKeyRotation(pool).run(try keys(2, 1))
        #expect(report == .init(secrets: 3, rewrapped: 2, unreadable: [lost.value.id]))
        let vault = Vault(masterKey: try keys(2))
        let sealed = try await ConfigurationRepository(pool).snapshot().secrets.filter { $0.id != lost.value.id }
        #expect(Set(try sealed.map { String(decoding: try vault.open($0).reveal(), as: UTF8.self) }) == ["v-a", "v-b"])
        #expect(try await MasterKeyRotation(pool).run(try keys(2, 1)).rewrapped == 0)
    }
}
