@testable import ControlPlane
import ExternalSecrets
import Foundation
import GatewayCore
import NIOCore
import NIOHTTP1
import NIOPosix
@testable import Outbound
import PostgresStore
import SecretVault
import Synchronization
import TestKit
import Testing

@Suite("Sending exports", .timeLimit(.minutes(2)))
struct ExportRunnerTests {
    private static let tenant = AccountID(String(repeating: "a", count: 32))
    private static let neighbour = AccountID(String(repeating: "b", count: 32))

    private struct Clock: WallClock {
        var now: Instant { Instant(milliseconds: 1_767_600_000_000) }
        var monotonic: ContinuousClock.Instant { .now }
    }

    /// What arrived, and what was reported.
    private final class Record: Sendable {
        private let state = Mutex<(deliveries: Int, events: [ExportRunner.Event])>((0, []))
        var deliveries: Int { state.withLock { $0.deliveries } }
        var events: [ExportRunner.Event] { state.withLock { $0.events } }
        func deliver() { state.withLock { $0.deliveries += 1 } }
        func add(_ event: ExportRunner.Event) { state.withLock { $0.events.append(event) } }
    }

    /// Answers 200 as soon as it has the whole request.
    private final class Taker: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart
        let record: Record
        init(_ record: Record) { self.record = record }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard case .end = unwrapInboundIn(data) else { return }
            record.deliver()
            let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: ["content-length": "0"])
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }

    private static func database() async throws -> PostgresPool {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let source = MigrationSource(directory: root.appendingPathComponent("migrations").path)
        let url = try await PostgresServer.shared.database(template: "migrated") { url in
            _ = try await Migrator(PostgresOptions(url: url)).migrate(source.load())
        }
        let pool = PostgresPool(url: url, size: 2)
        for account in [tenant, neighbour] {
            _ = try await pool.query("INSERT INTO accounts (id) VALUES ($1)", [.text(account.rawValue)])
        }
        return pool
    }

    private static func gateway(
        _ id: String, of account: AccountID, to url: String, requests: Int, in pool: PostgresPool
    ) async throws {
        _ = try await pool.query(
            """
            INSERT INTO gateways (account_id, id, cache_invalidate_on_update, collect_logs, otel)
            VALUES ($1, $2, false, true, $3)
            """,
            [.text(account.rawValue), .text(id), .json(#"[{"url":"\#(url)","headers":{}}]"#)])
        let salt = (account.rawValue + id).utf8.reduce(UInt64(0)) { $0 &* 31 &+ UInt64($1) }
        var batch = RecordBatch()
        for number in 1...requests {
            let record = RequestRecord(
                id: LogID(high: UInt64(number) << 16, low: salt), eventID: "e", account: account,
                gateway: GatewayID(id), createdAt: Instant(milliseconds: 1_767_600_000_000))
            var encoded = ByteBuffer()
            record.encode(into: &encoded)
            batch.add(encoded)
        }
        let outcome = try await RecordWriter(pool.makeSession()).write(batch)
        #expect(outcome.stored == requests)
    }

    private static func runner(_ pool: PostgresPool, _ record: Record) throws -> ExportRunner {
        let vault = Vault(masterKey: try MasterKey(Secret([UInt8](repeating: 1, count: 32))))
        let external = ExternalSecrets(
            rules: ReferenceRules([]), environment: [:], vault: nil,
            ownFiles: OwnFiles(files: [], directory: "/nowhere"))
        return ExportRunner(
            session: pool.makeSession(), client: try OutboundClient(egress: .anyAddress, timeout: .seconds(5)),
            egress: .anyAddress, secrets: ExportSecrets(pool, vault: vault, external: external), vault: vault,
            clock: Clock()
        ) { record.add($0) }
    }

    private static func rows(_ pool: PostgresPool, of account: AccountID) async throws -> Int {
        try await pool.query(
            "SELECT count(*) AS n FROM export_queue WHERE account_id = $1", [.text(account.rawValue)])[0].int("n")
    }

    @Test("twenty receivers that never answer keep nobody else waiting, and a healthy one is drained at once")
    func tarpits() async throws {
        let pool = try await Self.database()
        let record = Record()
        let group = MultiThreadedEventLoopGroup.singleton
        // Takes connections and says nothing.
        let tarpit = try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        let taker = try await ServerBootstrap(group: group).childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                try channel.pipeline.syncOperations.addHandler(Taker(record))
            }
        }.bind(host: "127.0.0.1", port: 0).get()
        let slow = try #require(tarpit.localAddress?.port)
        for number in 0..<20 {
            try await Self.gateway(
                "g\(number)", of: Self.tenant, to: "http://127.0.0.1:\(slow)/\(number)", requests: 1, in: pool)
        }
        let fast = try #require(taker.localAddress?.port)
        try await Self.gateway("h", of: Self.neighbour, to: "http://127.0.0.1:\(fast)/", requests: 1500, in: pool)
        let runner = try Self.runner(pool, record)
        let started = ContinuousClock.now
        let work = Task { await runner.run() }
        while try await Self.rows(pool, of: Self.neighbour) > 0, ContinuousClock.now - started < .seconds(60) {
            try await Task.sleep(for: .milliseconds(20))
        }
        // A delivery to the others takes five seconds, and there are twenty of them: one after the other is longer.
        #expect(ContinuousClock.now - started < .seconds(60))
        #expect((15...20).contains(record.deliveries), "a receiver is served batch after batch")
        #expect(await runner.statistics.delivered == 1500)
        #expect(try await Self.rows(pool, of: Self.tenant) == 20)
        work.cancel()
        await work.value
        try await tarpit.close()
        try await taker.close()
        #expect(!record.events.contains { if case .unavailable = $0 { true } else { false } })
    }

    @Test("a name that is not resolved in time is given up in time")
    func slowNames() async throws {
        // The resolver answers after everything else.
        let isOver = DispatchSemaphore(value: 0)
        defer { isOver.signal() }
        let client = try OutboundClient(egress: .anyAddress, timeout: .milliseconds(200)) { _, _ in
            isOver.wait()
            return []
        }
        let url = try OutboundURL("http://slow.example/", egress: .anyAddress)
        let failure = await #expect(throws: OutboundClient.Failure.self) {
            _ = try await client.send("POST", to: url, headers: [], body: ByteBuffer())
        }
        #expect(failure?.reason == "slow.example is not resolved in time")
    }
}
