import ControlPlane
import Foundation
import GatewayCore
import NIOCore
import PostgresStore
import RecordSpool
import TestKit
import Testing

@Suite("Logs of answers that were given a moment ago", .timeLimit(.minutes(3)))
struct ReadYourWriteTests {
    private struct Clock: WallClock {
        var now: Instant
        var monotonic: ContinuousClock.Instant { .now }
    }

    @WorkerLoop
    private final class SilentObserver: Observer {
        nonisolated init() {}
        func record(_ observation: Observation) {}
    }

    private static let account: AccountID = "0123456789abcdef0123456789abcdef"
    private static let now = Instant(milliseconds: 1_795_370_000_000)

    /// A node without a running drain: nothing leaves its spool unless somebody asks.
    private final class Node: Sendable {
        let folder = NSTemporaryDirectory() + "aig-feedback-\(UUID().uuidString)"
        let pool: PostgresPool
        let drain: SpoolDrain

        init() async throws {
            let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent()
            let source = MigrationSource(directory: root.appendingPathComponent("migrations").path)
            let url = try await PostgresServer.shared.database(template: "migrated") { url in
                _ = try await Migrator(PostgresOptions(url: url)).migrate(source.load())
            }
            pool = PostgresPool(url: url)
            drain = try SpoolDrain(directory: folder, session: pool.makeSession()) { _ in }
        }

        deinit { try? FileManager.default.removeItem(atPath: folder) }

        /// What a worker does before its client sees the end of an answer.
        func answer(_ id: LogID) async throws {
            let folder = folder
            try await TestLoop.run {
                let writer = try SpoolWriter(
                    directory: folder, limit: 1 << 30, rotateAt: 1 << 20, observer: SilentObserver())
                var record = RequestRecord(
                    id: id, eventID: "e", account: ReadYourWriteTests.account, gateway: "g",
                    createdAt: Instant(milliseconds: Int64(id.milliseconds))
                )
                record.metadata = #"{"team":"search"}"#
                record.responseBody = ByteBuffer(string: "{}")
                writer.append(record)
                writer.flush()
                writer.close()
            }
        }

        func logs(settlingLimit: Duration = .seconds(2)) -> LogAdministration {
            LogAdministration(
                pool, reading: ReadingPool(pool), clock: Clock(now: ReadYourWriteTests.now),
                settlingLimit: settlingLimit
            ) {
                [drain] in
                await drain.drainNow(within: $0)
            }
        }
    }

    private static func id(secondsAgo: Int64, _ low: UInt64 = 1) -> LogID {
        LogID(high: UInt64(now.milliseconds - secondsAgo * 1000) << 16, low: low)
    }

    @Test(
        "feedback reaches an entry that is still in the spool, however long its answer took", arguments: [0, 5, 7200]
    )
    func patch(secondsAgo: Int64) async throws {
        let node = try await Node()
        let id = Self.id(secondsAgo: secondsAgo)
        try await node.answer(id)
        let logs = node.logs()
        try await logs.patch(
            id.description, of: "g", in: Self.account, try JSONValue(parsing: #"{"feedback":-1,"score":12.5}"#)
        )
        let (entry, heads) = try await logs.get(id.description, of: "g", in: Self.account)
        #expect(entry.feedback == -1 && entry.score == 12.5)
        #expect(entry.metadata.flatMap { try? JSONValue(parsing: $0) } == ["team": "search"])
        #expect(heads.response == Array("{}".utf8))
        // A batch that comes again, as after a crash of control, leaves the feedback alone.
        try await node.answer(id)
        await node.drain.drainNow(within: .seconds(5))
        #expect(try await logs.get(id.description, of: "g", in: Self.account).0.feedback == -1)
    }

    @Test("an entry and its bodies are found at once")
    func reads() async throws {
        let node = try await Node()
        let logs = node.logs()
        try await node.answer(Self.id(secondsAgo: 0, 1))
        #expect(try await logs.get(Self.id(secondsAgo: 0, 1).description, of: "g", in: Self.account).0.success == false)
        try await node.answer(Self.id(secondsAgo: 0, 2))
        let body = try await logs.body(
            .response, of: Self.id(secondsAgo: 0, 2).description, gateway: "g", in: Self.account)
        #expect(body.bytes == Array("{}".utf8))
    }

    @Test("what does not exist is not found: at once when it is old or no id, soon when it could be on its way")
    func unknown() async throws {
        let node = try await Node()
        // Whoever waited here would wait beyond the suite's limit.
        let patient = node.logs(settlingLimit: .seconds(3600))
        for id in [Self.id(secondsAgo: 7200).description, Self.id(secondsAgo: -60).description, "nothing", ""] {
            await #expect(throws: ControlError.notFound) { try await patient.patch(id, of: "g", in: Self.account, [:]) }
        }
        await #expect(throws: ControlError.notFound) {
            _ = try await node.logs().get(Self.id(secondsAgo: 1).description, of: "g", in: Self.account)
        }
    }

    @Test("an entry of another node is waited for")
    func otherNode() async throws {
        let node = try await Node()
        let logs = LogAdministration(
            node.pool, reading: ReadingPool(node.pool), clock: Clock(now: Self.now), settlingLimit: .seconds(100))
        let id = Self.id(secondsAgo: 1)
        async let found = logs.get(id.description, of: "g", in: Self.account)
        try await node.answer(id)
        await node.drain.drainNow(within: .seconds(5))
        #expect(try await found.0.id == id.description)
    }

    @Test("entries of another gateway or account are not touched")
    func isolation() async throws {
        let node = try await Node()
        let id = Self.id(secondsAgo: 7200)
        try await node.answer(id)
        let logs = node.logs()
        let feedback: JSONValue = ["feedback": 1]
        await #expect(throws: ControlError.notFound) {
            try await logs.patch(id.description, of: "other", in: Self.account, feedback)
        }
        await #expect(throws: ControlError.notFound) {
            try await logs.patch(id.description, of: "g", in: "fedcba9876543210fedcba9876543210", feedback)
        }
        #expect(try await logs.get(id.description, of: "g", in: Self.account).0.feedback == nil)
    }
}
