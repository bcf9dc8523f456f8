import ControlPlane
import Foundation
import GatewayCore
import NIOCore
import PostgresStore
import RecordSpool
import Synchronization
import TestKit
import Testing

@Suite("SpoolDrain")
struct SpoolDrainTests {
    @WorkerLoop
    private final class SilentObserver: Observer {
        nonisolated init() {}
        func record(_ observation: Observation) {}
    }

    /// A spool directory, removed at the end.
    private final class Folder: Sendable {
        let path = NSTemporaryDirectory() + "aig-drain-\(UUID().uuidString)"
        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    /// Collects what a drain reports.
    private final class Reports: Sendable {
        private let events = Mutex<[SpoolDrain.Event]>([])
        func add(_ event: SpoolDrain.Event) { events.withLock { $0.append(event) } }
        var all: [SpoolDrain.Event] { events.withLock { $0 } }
    }

    private static func database(on server: PostgresServer = .shared) async throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let source = MigrationSource(directory: root.appendingPathComponent("migrations").path)
        return try await server.database(template: "migrated") { url in
            _ = try await Migrator(PostgresOptions(url: url)).migrate(source.load())
        }
    }

    private static func write(
        _ numbers: ClosedRange<Int>, to folder: String, unlogged: Bool = false, model: String? = nil
    ) async throws {
        try await TestLoop.run {
            let writer = try SpoolWriter(
                directory: folder, limit: 1 << 30, rotateAt: 50_000, observer: SilentObserver())
            for number in numbers {
                var record = RequestRecord(
                    id: LogID(high: UInt64(number) << 16, low: 1), eventID: "e", account: "a", gateway: "g",
                    createdAt: Instant(milliseconds: 1_795_370_000_000 + Int64(number))
                )
                record.model = model ?? "m-\(number)"
                record.success = model != nil
                if unlogged {
                    record.unlogged = true
                } else {
                    record.requestBody = ByteBuffer(repeating: 0x61, count: 300)
                }
                writer.append(record)
                if number % 10 == 0 { writer.flush() }
            }
            writer.close()
        }
    }

    @Test("everything in the spool becomes exactly one row, and the spool is empty afterwards")
    func ships() async throws {
        let folder = Folder()
        let pool = PostgresPool(url: try await Self.database())
        try await Self.write(1...5000, to: folder.path)
        let drain = try SpoolDrain(directory: folder.path, session: pool.makeSession()) { _ in }
        #expect(await drain.finish(within: .seconds(60)) == .shipped)
        let row = try await pool.query("SELECT count(*) AS n, count(DISTINCT id) AS d FROM logs")[0]
        #expect(try row.int("n") == 5000)
        #expect(try row.int("d") == 5000)
        #expect(await drain.statistics.stored == 5000)
        #expect(await drain.backlogBytes == 0)
    }

    @Test("a death between the database's commit and the checkpoint makes no second row")
    func exactlyOnce() async throws {
        let folder = Folder()
        let pool = PostgresPool(url: try await Self.database())
        try await Self.write(1...100, to: folder.path)
        // The first control stored forty records and died before it could note that.
        let follower = try SpoolFollower(directory: folder.path)
        #expect(try follower.acquire() == .owned)
        var batch = RecordBatch()
        for payload in follower.read(maxRecords: 40, maxBytes: 1 << 20).payloads { batch.add(payload) }
        #expect(try await RecordWriter(pool.makeSession()).write(batch).stored == 40)
        follower.close()
        let drain = try SpoolDrain(directory: folder.path, session: pool.makeSession()) { _ in }
        #expect(await drain.finish(within: .seconds(60)) == .shipped)
        let row = try await pool.query("SELECT count(*) AS n, count(DISTINCT id) AS d FROM logs")[0]
        #expect(try row.int("n") == 100)
        #expect(try row.int("d") == 100)
        #expect(try await pool.query("SELECT 1 FROM log_bodies").count == 100)
        #expect(await drain.statistics.stored == 60)
    }

    @Test("records that are only counted are counted once over a death, and no id of them stays")
    func countedOnce() async throws {
        let folder = Folder()
        let pool = PostgresPool(url: try await Self.database())
        try await Self.write(1...100, to: folder.path, unlogged: true)
        // The first control counted forty records and died before it could note that.
        let follower = try SpoolFollower(directory: folder.path)
        #expect(try follower.acquire() == .owned)
        var batch = RecordBatch()
        for payload in follower.read(maxRecords: 40, maxBytes: 1 << 20).payloads { batch.add(payload) }
        #expect(try await RecordWriter(pool.makeSession()).write(batch).counted == 40)
        follower.close()
        let drain = try SpoolDrain(directory: folder.path, session: pool.makeSession()) { _ in }
        await drain.drainNow(within: .seconds(30))
        func requests() async throws -> Int {
            try await pool.query("SELECT sum(requests) AS n FROM usage.by_minute")[0].int("n")
        }
        #expect(try await requests() == 100)
        #expect(try await pool.query("SELECT 1 FROM logs").isEmpty)
        try await Self.write(101...101, to: folder.path, unlogged: true)
        #expect(await drain.finish(within: .seconds(60)) == .shipped)
        #expect(try await requests() == 101)
        #expect(try await pool.query("SELECT 1 FROM log_refusals").isEmpty)
    }

    @Test("what a log did not take in its second is counted once over a death, and gets no row by it")
    func excessOnce() async throws {
        let folder = Folder()
        let pool = PostgresPool(url: try await Self.database())
        try await Self.write(1...40, to: folder.path)
        // The first control dropped what exceeded ten in the second, and died before it could note the second batch.
        let follower = try SpoolFollower(directory: folder.path)
        #expect(try follower.acquire() == .owned)
        let writer = RecordWriter(pool.makeSession())
        var batch = RecordBatch(rate: LogRate(limit: 10))
        for turn in 0..<2 {
            for payload in follower.read(maxRecords: 20, maxBytes: 1 << 20).payloads { batch.add(payload) }
            #expect(try await writer.write(batch, .first).stored == (turn == 0 ? 10 : 0))
            if turn == 0 { try follower.commit() }
            batch.removeAll()
        }
        follower.close()
        let drain = try SpoolDrain(directory: folder.path, session: pool.makeSession(), rate: LogRate(limit: 10)) { _ in
        }
        #expect(await drain.finish(within: .seconds(60)) == .shipped)
        #expect(try await pool.query("SELECT sum(requests) AS n FROM usage.by_day")[0].int("n") == 40)
        #expect(try await pool.query("SELECT 1 FROM logs").count == 10)
        #expect(await drain.statistics.stored == 0)
        #expect(await drain.statistics.dropped == 0)
        // Those of the first batch are nobody's: they go after a week.
        #expect(try await pool.query("SELECT 1 FROM log_refusals").count == 10)
    }

    @Test("no id of what logs did not take stays once the checkpoint is on the disk")
    func excessIsForgotten() async throws {
        let folder = Folder()
        let pool = PostgresPool(url: try await Self.database())
        try await Self.write(1...900, to: folder.path)
        let drain = try SpoolDrain(
            directory: folder.path, session: pool.makeSession(), rate: LogRate(limit: 10), securing: .zero
        ) { _ in }
        let work = Task { await drain.run() }
        try await eventually { await drain.statistics.dropped == 890 }
        try await eventually { (try? await pool.query("SELECT 1 FROM log_refusals").isEmpty) == true }
        work.cancel()
        await work.value
        #expect(try await pool.query("SELECT sum(requests) AS n FROM usage.by_day")[0].int("n") == 900)
    }

    @Test("what has no row is counted once over a loss of power, which takes back the checkpoint")
    func powerLoss() async throws {
        let (folder, disk) = (Folder(), Folder())
        let pool = PostgresPool(url: try await Self.database())
        func requests() async throws -> Int {
            try await pool.query("SELECT coalesce(sum(requests), 0)::bigint AS n FROM usage.by_day")[0].int("n")
        }
        try await Self.write(1...100, to: folder.path, unlogged: true)
        try await Self.write(101...200, to: folder.path)
        try FileManager.default.copyItem(atPath: folder.path, toPath: disk.path)
        let drain = try SpoolDrain(
            directory: folder.path, session: pool.makeSession(), rate: LogRate(limit: 10), securing: .seconds(600)
        ) { _ in }
        let work = Task { await drain.run() }
        try await eventually { (try? await requests()) == 200 }
        for number in 201...203 {
            try await Self.write(number...number, to: folder.path, unlogged: true)
            try await eventually { (try? await requests()) == number }
        }
        work.cancel()
        await work.value
        // What the disk knows is what lay in the spool at the beginning.
        let next = try SpoolDrain(directory: disk.path, session: pool.makeSession(), rate: LogRate(limit: 1000)) { _ in
        }
        #expect(await next.finish(within: .seconds(60)) == .shipped)
        #expect(try await requests() == 203)
        #expect(try await pool.query("SELECT 1 FROM logs").count == 10)
    }

    @Test("while the database is away records wait, and are stored when it is back")
    func outage() async throws {
        let folder = Folder()
        let server = PostgresServer()
        let url = try await Self.database(on: server)
        let pool = PostgresPool(url: url)
        let reports = Reports()
        let drain = try SpoolDrain(directory: folder.path, session: pool.makeSession()) { reports.add($0) }
        let work = Task { await drain.run() }
        try await Self.write(1...50, to: folder.path)
        try await eventually { await drain.statistics.stored == 50 }
        try await server.crash()
        try await Self.write(51...100, to: folder.path)
        try await eventually { reports.all.contains { if case .waiting = $0 { true } else { false } } }
        #expect(await drain.backlogBytes > 0)
        try await server.restart()
        try await eventually { await drain.statistics.stored == 100 }
        #expect(reports.all.last == .resumed)
        work.cancel()
        await work.value
        #expect(await drain.finish(within: .seconds(60)) == .shipped)
        #expect(try await server.psql(url, "SELECT count(*) FROM logs") == "100")
        try await server.shutDown()
    }

    @Test("a record the database refuses is put aside, its neighbours are stored")
    func poison() async throws {
        let folder = Folder()
        let url = try await Self.database()
        let pool = PostgresPool(url: url)
        try await PostgresServer.shared.psql(
            url, "ALTER TABLE logs ADD CHECK ((extract(epoch FROM created_at) * 1000)::bigint % 1000 <> 7)")
        try await Self.write(1...100, to: folder.path)
        let reports = Reports()
        let drain = try SpoolDrain(directory: folder.path, session: pool.makeSession()) { reports.add($0) }
        #expect(await drain.finish(within: .seconds(60)) == .shipped)
        #expect(try await pool.query("SELECT 1 FROM logs").count == 99)
        #expect(await drain.statistics.rejected == 1)
        let aside = RejectedRecords(spoolDirectory: folder.path).load().compactMap { RequestRecord(decoding: $0) }
        #expect(aside.map { $0.id.high >> 16 } == [7])
        #expect(reports.all.count == 1)
    }

    @Test("a record whose fields cannot be read is put aside, its neighbours are stored")
    func unreadable() async throws {
        let folder = Folder()
        let pool = PostgresPool(url: try await Self.database())
        try await Self.write(1...20, to: folder.path)
        // Sound frames whose content no worker writes: bytes without an account, and no fields at all.
        var partial = TaggedWriter()
        partial.write(1, fixed: 1)
        partial.write(2, fixed: 2)
        let unreadable = [partial.buffer, ByteBuffer(bytes: [0x03]), ByteBuffer()]
        let segment = try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter {
            $0.contains("/") && $0.hasSuffix(".seg")
        }.sorted()[0]
        let path = folder.path + "/" + segment
        let aside = RejectedRecords(spoolDirectory: folder.path + "/other")
        for payload in unreadable { #expect(aside.add(payload) == .kept) }
        let frames = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/other/rejected/records.seg"))
        try (try Data(contentsOf: URL(fileURLWithPath: path)) + frames).write(to: URL(fileURLWithPath: path))
        let reports = Reports()
        let drain = try SpoolDrain(directory: folder.path, session: pool.makeSession()) { reports.add($0) }
        #expect(await drain.finish(within: .seconds(60)) == .shipped)
        #expect(try await pool.query("SELECT 1 FROM logs").count == 20)
        #expect(await drain.statistics.rejected == 3)
        #expect(RejectedRecords(spoolDirectory: folder.path).load() == unreadable)
        #expect(reports.all == Array(repeating: .rejected(reason: "its fields cannot be read"), count: 3))
    }

    @Test("a missing table is waited for; no record is taken for the culprit")
    func missingTable() async throws {
        let folder = Folder()
        let url = try await Self.database()
        try await PostgresServer.shared.psql(url, "ALTER TABLE logs RENAME TO gone")
        try await Self.write(1...10, to: folder.path)
        let pool = PostgresPool(url: url)
        let drain = try SpoolDrain(directory: folder.path, session: pool.makeSession()) { _ in }
        guard case .left(let bytes) = await drain.finish(within: .milliseconds(300)) else {
            Issue.record("nothing can have been shipped")
            return
        }
        #expect(bytes > 0)
        #expect(await drain.statistics.rejected == 0)
        try await PostgresServer.shared.psql(url, "ALTER TABLE gone RENAME TO logs")
        #expect(await drain.finish(within: .seconds(60)) == .shipped)
        #expect(try await pool.query("SELECT 1 FROM logs").count == 10)
    }

    /// Makes the database treat what one statement stores in a way of its own.
    private static func treat(_ url: String, _ body: String) async throws {
        try await PostgresServer.shared.psql(
            url,
            """
            CREATE FUNCTION mistreat() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \(body) RETURN NULL; END $$;
            CREATE TRIGGER mistreat AFTER INSERT ON logs REFERENCING NEW TABLE AS stored
            FOR EACH STATEMENT EXECUTE FUNCTION mistreat()
            """)
    }

    @Test(
        "a refusal for any reason is of the records it is about, if there are such",
        arguments: [
            // A record that breaks something in the database, whatever it is called.
            (
                "IF EXISTS (SELECT FROM stored WHERE model = 'm-7') THEN RAISE 'broken' USING ERRCODE = 'XX000'; END IF;",
                [7]
            ),
            (
                "IF EXISTS (SELECT FROM stored WHERE model IN ('m-1', 'm-100')) THEN RAISE 'broken' USING ERRCODE = '0A000'; END IF;",
                [1, 100]
            ),
            // Two records that do not go together in one statement.
            (
                "IF (SELECT count(*) FROM stored WHERE model IN ('m-41', 'm-42')) > 1 THEN RAISE 'twice' USING ERRCODE = '21000'; END IF;",
                [Int]()
            ),
        ])
    func refusals(treatment: String, culprits: [Int]) async throws {
        let folder = Folder()
        let url = try await Self.database()
        try await Self.treat(url, treatment)
        try await Self.write(1...100, to: folder.path)
        let pool = PostgresPool(url: url)
        let drain = try SpoolDrain(directory: folder.path, session: pool.makeSession()) { _ in }
        #expect(await drain.finish(within: .seconds(60)) == .shipped)
        #expect(try await pool.query("SELECT 1 FROM logs").count == 100 - culprits.count)
        let aside = RejectedRecords(spoolDirectory: folder.path).load().compactMap { RequestRecord(decoding: $0) }
        #expect(aside.map { Int($0.id.high >> 16) } == culprits)
        #expect(await drain.statistics.rejected == culprits.count)
    }

    @Test("a batch that takes too long is divided, and a record that does so alone is put aside")
    func overTime() async throws {
        let folder = Folder()
        let url = try await Self.database()
        try await Self.treat(
            url,
            """
            IF (SELECT count(*) FROM stored) > 10 OR EXISTS (SELECT FROM stored WHERE model = 'm-33') THEN
                PERFORM pg_sleep(60);
            END IF;
            """)
        try await Self.write(1...40, to: folder.path)
        var options = PostgresOptions(url: url)
        options.statementTimeout = .seconds(3)
        let pool = PostgresPool(options)
        let drain = try SpoolDrain(directory: folder.path, session: pool.makeSession()) { _ in }
        #expect(await drain.finish(within: .seconds(120)) == .shipped)
        #expect(try await pool.query("SELECT 1 FROM logs").count == 39)
        let aside = RejectedRecords(spoolDirectory: folder.path).load().compactMap { RequestRecord(decoding: $0) }
        #expect(aside.map(\.model) == ["m-33"])
    }

    @Test("a table that somebody holds is waited for, however long; no record is taken for the culprit")
    func lockedTable() async throws {
        let folder = Folder()
        let url = try await Self.database()
        try await Self.write(1...10, to: folder.path)
        var options = PostgresOptions(url: url)
        options.statementTimeout = .seconds(5)
        let drain = try SpoolDrain(
            directory: folder.path, session: PostgresPool(options).makeSession()
        ) { _ in }
        let holder = PostgresPool(url: url)
        try await holder.transaction { transaction in
            _ = try await transaction.query("LOCK TABLE logs")
            guard case .left = await drain.finish(within: .seconds(7)) else {
                Issue.record("nothing can have been shipped")
                return
            }
        }
        #expect(await drain.finish(within: .seconds(60)) == .shipped)
        #expect(await drain.statistics.rejected == 0)
        #expect(try await holder.query("SELECT 1 FROM logs").count == 10)
    }

    @Test("a record waits for another node that counts the same, however long")
    func lockedCounts() async throws {
        let folder = Folder()
        let other = Folder()
        let url = try await Self.database()
        var options = PostgresOptions(url: url)
        options.statementTimeout = .seconds(5)
        let pool = PostgresPool(options)
        try await Self.write(1...1, to: other.path, model: "m")
        let first = try SpoolDrain(directory: other.path, session: pool.makeSession()) { _ in }
        #expect(await first.finish(within: .seconds(60)) == .shipped)
        try await Self.write(2...2, to: folder.path, model: "m")
        let drain = try SpoolDrain(directory: folder.path, session: pool.makeSession()) { _ in }
        try await PostgresPool(url: url).transaction { transaction in
            _ = try await transaction.query("SELECT FROM usage_days WHERE model = 'm' FOR UPDATE")
            guard case .left = await drain.finish(within: .seconds(7)) else {
                Issue.record("nothing can have been shipped")
                return
            }
        }
        #expect(await drain.statistics.rejected == 0)
        #expect(await drain.finish(within: .seconds(60)) == .shipped)
        #expect(try await pool.query("SELECT FROM logs").count == 2)
    }

    @Test("what is put aside is put aside once, however often its neighbours have to wait")
    func putAsideOnce() async throws {
        let folder = Folder()
        let url = try await Self.database()
        try await Self.write(1...10, to: folder.path)
        try await PostgresServer.shared.psql(url, "ALTER TABLE logs ADD CHECK (model <> 'm-7')")
        try await Self.treat(
            url, "IF EXISTS (SELECT FROM stored WHERE model = 'm-9') THEN RAISE 'busy' USING ERRCODE = '40001'; END IF;"
        )
        let segment = try #require(
            try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter {
                $0.contains("/") && $0.hasSuffix(".seg")
            }.max())
        let path = folder.path + "/" + segment
        let other = RejectedRecords(spoolDirectory: folder.path + "/other")
        #expect(other.add(ByteBuffer(bytes: [0x03])) == .kept)
        let frames = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/other/rejected/records.seg"))
        try (try Data(contentsOf: URL(fileURLWithPath: path)) + frames).write(to: URL(fileURLWithPath: path))
        let pool = PostgresPool(url: url)
        let drain = try SpoolDrain(directory: folder.path, session: pool.makeSession()) { _ in }
        guard case .left = await drain.finish(within: .seconds(1)) else {
            Issue.record("nothing can have been shipped")
            return
        }
        #expect(RejectedRecords(spoolDirectory: folder.path).load().isEmpty)
        try await PostgresServer.shared.psql(url, "DROP TRIGGER mistreat ON logs")
        #expect(await drain.finish(within: .seconds(60)) == .shipped)
        #expect(await drain.statistics.stored == 9)
        #expect(await drain.statistics.rejected == 2)
        #expect(RejectedRecords(spoolDirectory: folder.path).load().count == 2)
    }

    @Test("who asks for fresh rows does not wait for a step that is under way")
    func impatience() async throws {
        let folder = Folder()
        let url = try await Self.database()
        try await Self.write(1...40, to: folder.path)
        var options = PostgresOptions(url: url)
        options.statementTimeout = .seconds(120)
        let drain = try SpoolDrain(directory: folder.path, session: PostgresPool(options).makeSession()) { _ in }
        let pool = PostgresPool(url: url, size: 2)
        let waits: StaticString = """
            SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
            """
        let work = try await pool.transaction { transaction in
            _ = try await transaction.query("LOCK TABLE logs")
            let work = Task { await drain.run() }
            while try await pool.query(waits).isEmpty { try await Task.sleep(for: .milliseconds(10)) }
            await drain.drainNow(within: .milliseconds(200))
            #expect(try await !pool.query(waits).isEmpty, "the step was waited for")
            work.cancel()
            return work
        }
        await work.value
    }

    @Test("who asks for fresh rows does not divide a batch for longer than it may take")
    func haste() async throws {
        let folder = Folder()
        let url = try await Self.database()
        try await Self.treat(url, "IF (SELECT count(*) FROM stored) > 1 THEN PERFORM pg_sleep(60); END IF;")
        try await Self.write(1...40, to: folder.path)
        var options = PostgresOptions(url: url)
        options.statementTimeout = .milliseconds(900)
        let drain = try SpoolDrain(directory: folder.path, session: PostgresPool(options).makeSession()) { _ in }
        await drain.drainNow(within: .milliseconds(200))
        // Record by record all of them can be stored.
        let statistics = await drain.statistics
        #expect(statistics.stored == 0 && statistics.rejected == 0)
    }

    private func eventually(_ condition: () async -> Bool) async throws {
        for _ in 0..<3000 {
            if await condition() { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record("did not happen in time")
    }
}
