import ControlPlane
import Foundation
import GatewayCore
import NIOCore
import PostgresStore
import TestKit
import Testing

@Suite("LogPartitionKeeper")
struct LogPartitionKeeperTests {
    private struct Noon: WallClock {
        var now: Instant { Instant(milliseconds: 1_795_435_200_000) }
        var monotonic: ContinuousClock.Instant { .now }
    }

    private static func database() async throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let source = MigrationSource(directory: root.appendingPathComponent("migrations").path)
        return try await PostgresServer.shared.database(template: "migrated") { url in
            _ = try await Migrator(PostgresOptions(url: url)).migrate(source.load())
        }
    }

    @Test("one round drops what is too old, and leaves no count and no file of it, nor of a month dropped by hand")
    func round() async throws {
        let pool = PostgresPool(url: try await Self.database())
        for month in ["2026-01-01", "2026-02-01", "2026-10-01"] {
            _ = try await pool.query(
                "SELECT make_log_partition(t, $1::date) FROM unnest(ARRAY['log_bodies', 'logs']) AS t", [.text(month)])
        }
        let records = [1_767_600_000_000, 1_770_300_000_000, 1_791_000_000_000].map { time in
            RequestRecord(
                id: LogID(high: UInt64(time) << 16, low: 1), eventID: "e", account: "a", gateway: "g",
                createdAt: Instant(milliseconds: time))
        }
        var batch = RecordBatch()
        for record in records {
            var encoded = ByteBuffer()
            record.encode(into: &encoded)
            batch.add(encoded)
        }
        _ = try await RecordWriter(pool.makeSession()).write(batch)
        #expect(try await pool.query("SELECT drop_log_month('2026-02-01') AS d")[0].bool("d"))
        let keeper = LogPartitionKeeper(pool, patience: pool, retentionDays: 90, clock: Noon()) { _ in }
        #expect(await keeper.keep().isEmpty)
        #expect(try await pool.query("SELECT FROM logs").count == 1)
        #expect(try await pool.query("SELECT rows FROM log_totals")[0].int("rows") == 1)
        #expect(try await pool.query("SELECT FROM log_counts").count == 1)
        #expect(try await pool.query("SELECT FROM log_recounts").isEmpty)
        #expect(try await pool.query("SELECT FROM pg_class WHERE relname LIKE 'dropped%'").isEmpty)
    }
}
