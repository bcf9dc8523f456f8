import Dispatch
import GatewayCore
import PostgresStore
import Synchronization
import Testing

@testable import ControlPlane

@Suite("Mounted files of declarations")
struct DeclarationKeeperTests {
    private static let now = Instant(milliseconds: 1_000_000_000)

    private struct Clock: WallClock {
        var now: Instant { DeclarationKeeperTests.now }
        var monotonic: ContinuousClock.Instant { .now }
    }

    /// Runs a task on threads that no other test waits for.
    private final class ThreadsOfItsOwn: TaskExecutor {
        private let queue = DispatchQueue(label: "DeclarationKeeperTests", attributes: .concurrent)

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
        }
    }

    /// What one keeper told.
    private final class Told: Sendable {
        // A lock, because events come from the keeper's executor.
        private let all = Mutex<[DeclarationKeeper.Event]>([])
        var events: [DeclarationKeeper.Event] { all.withLock { $0 } }
        func add(_ event: DeclarationKeeper.Event) { all.withLock { $0.append(event) } }
    }

    private func file(_ gateways: String...) -> String {
        "version: 1\ngateways: ["
            + gateways.map { "{id: \($0), authentication: true}" }.joined(separator: ", ") + "]\n...\n"
    }

    private func keeper(
        _ text: String, _ fixture: DeclarationFixture, _ told: Told = Told(), read seconds: Int = 10,
        pruning: DeclarationAdministration.Pruning = .deleteOthers, problem: String? = nil,
        reader: DeclarationReader = DeclarationFixture.reader
    ) -> DeclarationKeeper {
        DeclarationKeeper(
            .init(
                path: "/etc/aigatewayd/fleet.yaml", content: Array(text.utf8), problem: problem,
                readAt: Instant(milliseconds: Self.now.milliseconds - Int64(seconds) * 1000)
            ),
            account: DeclarationFixture.account, pruning, reader: reader,
            administration: fixture.administration, clock: Clock()
        ) { told.add($0) }
    }

    /// What a control process makes of a file that was read so many seconds ago.
    @discardableResult
    private func start(
        _ text: String, read seconds: Int, _ fixture: DeclarationFixture
    ) async -> DeclarationKeeper.Status.State {
        let keeper = keeper(text, fixture, read: seconds)
        await keeper.run()
        return await keeper.status.state
    }

    private func gateways(_ fixture: DeclarationFixture) async throws -> [String] {
        try await fixture.pool.query("SELECT id FROM gateways ORDER BY id").map { try $0.text("id") }
    }

    @Test("a keeper takes a good file up, refuses a bad one and leaves everything as it was")
    func goodAndBad() async throws {
        let fixture = try await DeclarationFixture()
        let good = file("a")
        #expect(await start(good, read: 10, fixture) == .applied)
        let exported = try await fixture.export()
        let key = "provider_configs: [{provider_slug: openai, default_config: true, reference: \"env:HOME\"}]"
        for bad in [
            keeper(
                "version: 1\ngateways: [{id: new, authentication: 3}, {id: x y, authentication: true}]\n...", fixture),
            keeper("", fixture, problem: "it cannot be read"),
            keeper(good.replacing("{id: a,", with: "{id: a, \(key),"), fixture),
        ] {
            await bad.run()
            #expect(await bad.status.state == .refused)
            #expect(try await fixture.export() == exported)
        }
    }

    @Test("a control process that starts again does not bring back what its file said long ago")
    func onceForEachReading() async throws {
        let fixture = try await DeclarationFixture()
        #expect(await start(file("a"), read: 3000, fixture) == .applied)
        try await fixture.apply("version: 1\ngateways: [{id: by-hand, authentication: true}]")
        let version = try await fixture.version()
        let told = Told()
        let again = keeper(file("a"), fixture, told, read: 3000)
        await again.run()
        #expect(await again.status.state == .applied)
        #expect(told.events == [.appliedBefore(path: "/etc/aigatewayd/fleet.yaml")])
        #expect(try await gateways(fixture) == ["a", "by-hand"])
        #expect(try await fixture.version() == version)
        // Read once more, by SIGHUP or a new start, the same file is applied.
        #expect(await start(file("a"), read: 20, fixture) == .applied)
        #expect(try await gateways(fixture) == ["a"])
    }

    @Test("a node does not put back an older file than what another node has brought into force")
    func severalNodes() async throws {
        let fixture = try await DeclarationFixture()
        #expect(await start(file("old"), read: 100, fixture) == .applied)
        #expect(await start(file("new"), read: 50, fixture) == .applied)
        #expect(await start(file("old"), read: 100, fixture) == .superseded)
        #expect(try await gateways(fixture) == ["new"])
        // One that waited for the database comes too late as well, unless it says what is in force.
        #expect(await start(file("waiting"), read: 70, fixture) == .superseded)
        #expect(await start(file("new"), read: 60, fixture) == .applied)
        #expect(try await gateways(fixture) == ["new"])
        // Going back on purpose is a reading of its own.
        #expect(await start(file("old"), read: 1, fixture) == .applied)
        #expect(try await gateways(fixture) == ["old"])
        #expect(await start(file("new"), read: 50, fixture) == .superseded)
    }

    @Test("what did not fit when it was read is not applied by a later start of control")
    func refusedOnce() async throws {
        let fixture = try await DeclarationFixture()
        let text = file("a").replacing(
            "{id: a,", with: "{id: a, provider_configs: [{provider_slug: openai, default_config: true, secret: late}],")
        #expect(await start(text, read: 100, fixture) == .refused)
        _ = try await fixture.secrets.put(
            "late", value: "canary-secret", scopes: ["ai_gateway"], comment: nil, of: DeclarationFixture.account)
        try await fixture.apply("version: 1\ngateways: [{id: by-hand, authentication: true}]")
        #expect(await start(text, read: 100, fixture) == .refused)
        #expect(try await gateways(fixture) == ["by-hand"])
        #expect(await start(text, read: 1, fixture) == .applied)
        #expect(try await gateways(fixture) == ["a"])
    }

    @Test("many readings are remembered, and one that is forgotten is not applied")
    func forgotten() async throws {
        let fixture = try await DeclarationFixture()
        #expect(await start(file("first"), read: 90_000, fixture) == .applied)
        _ = try await fixture.pool.query(
            """
            INSERT INTO declaration_readings (account_id, reading, digest, read_at, outcome, file)
            SELECT $1, n, sha256(n::text::bytea), now() - interval '1 day' + n * interval '1 second', 'applied', 'x'
            FROM generate_series(1, 1001) AS n
            """,
            [.text(DeclarationFixture.account.rawValue)]
        )
        #expect(await start(file("last"), read: 5, fixture) == .applied)
        #expect(try await fixture.pool.query("SELECT FROM declaration_readings").count == 1001)
        #expect(await start(file("first"), read: 90_000, fixture) == .superseded)
        #expect(try await gateways(fixture) == ["last"])
    }

    @Test("how things stand is told while a file is read, however long that takes")
    func longFile() async throws {
        let fixture = try await DeclarationFixture()
        let (readings, reading) = AsyncStream.makeStream(of: Void.self)
        let isTold = DispatchSemaphore(value: 0)
        // A reading lasts until the question has been answered; the limit is for a keeper that answers afterwards.
        let reader = DeclarationReader(
            rules: DeclarationFixture.rules, egress: .publicAddressesOnly, limits: ProductLimits(),
            canonicalProvider: { slug in
                reading.yield()
                if isTold.wait(timeout: .now() + 60) == .timedOut { Issue.record("nothing was told meanwhile") }
                return ProviderID(slug)
            }
        )
        let text = """
            version: 1
            gateways:
              - id: a
                authentication: true
                provider_configs: [{provider_slug: openai, default_config: true, reference: "env:AIG_TEST_KEY"}]
            ...
            """
        let keeper = keeper(text, fixture, reader: reader)
        let end = Task(executorPreference: ThreadsOfItsOwn()) { await keeper.run() }
        for await _ in readings { break }
        #expect(await keeper.status.state == .pending)
        isTold.signal()
        await end.value
        #expect(await keeper.status.state == .applied)
    }

    @Test("a thousand refusals since do not let an old file come back")
    func forgottenRefusals() async throws {
        let fixture = try await DeclarationFixture()
        #expect(await start(file("first"), read: 90_000, fixture) == .applied)
        #expect(await start(file("second"), read: 80_000, fixture) == .applied)
        _ = try await fixture.pool.query(
            """
            INSERT INTO declaration_readings (account_id, reading, digest, read_at, outcome, file)
            SELECT $1, n, sha256(n::text::bytea), now() - interval '1 hour' + n * interval '1 second', 'refused', 'x'
            FROM generate_series(1, 1001) AS n
            """,
            [.text(DeclarationFixture.account.rawValue)]
        )
        // Noting anything forgets what is too old.
        let reading = DeclarationReading(
            readAt: Instant(microseconds: 1), now: Instant(microseconds: 1), digest: [UInt8](repeating: 7, count: 32),
            file: "x"
        )
        try await DeclarationReadingRepository(fixture.pool).note(.refused, of: reading, in: DeclarationFixture.account)
        #expect(await start(file("first"), read: 90_000, fixture) == .superseded)
        #expect(try await gateways(fixture) == ["second"])
    }

    @Test("a file that prunes has to say where it ends")
    func endMark() async throws {
        let fixture = try await DeclarationFixture()
        let whole = "version: 1\ngateways:\n  - id: a\n    authentication: true\n  - id: b\n    authentication: true\n"
        let told = Told()
        let cut = keeper(whole, fixture, told)
        await cut.run()
        #expect(await cut.status.state == .refused)
        guard case .refused(_, let problems)? = told.events.first else {
            Issue.record("\(told.events)")
            return
        }
        #expect(problems.count == 1 && problems[0].contains("The last line has to be ..."))
        for end in ["...", "...\n", "... # the end\r\n\n# and a word after it\n\n", "...\t\n"] {
            #expect(throws: Never.self) { try DeclarationFixture.reader.read(Array((whole + end).utf8), .marked) }
        }
        for end in ["  ...\n", "....\n", "# ...\n", "...\nversion: 1\n", ".\n"] {
            #expect(!DeclarationDocument.isMarkedAsComplete(Array((whole + end).utf8)), "\(end)")
        }
        #expect(!DeclarationDocument.isMarkedAsComplete([]))
        // Without pruning nothing goes with what is missing.
        let open = keeper(whole, fixture, pruning: .keepOthers)
        await open.run()
        #expect(await open.status.state == .applied)
        // An export can be mounted as it is.
        let exported = try await fixture.export()
        #expect(exported.hasSuffix("\n...\n"))
        #expect(await start(exported, read: 1, fixture) == .applied)
    }

    @Test("who waits for a file waits no longer than was said, and the file is applied all the same")
    func bounded() async throws {
        let fixture = try await DeclarationFixture()
        let others = PostgresPool(fixture.options, size: 1)
        let keeper = keeper(file("a"), fixture)
        try await withThrowingTaskGroup(of: Void.self) { group in
            try await others.transaction { transaction in
                _ = try await transaction.query("SELECT FROM config_version FOR UPDATE")
                group.addTask { await keeper.run() }
                // The file waits for this very transaction: who waited for the file would wait for ever.
                #expect(await keeper.settled(within: .milliseconds(300)) == nil)
                #expect(await keeper.status.state == .pending)
            }
            let version = await keeper.settled(within: .seconds(60))
            let current = try await fixture.version()
            #expect(version == current)
            try await group.waitForAll()
        }
        #expect(try await gateways(fixture) == ["a"])
    }
}
