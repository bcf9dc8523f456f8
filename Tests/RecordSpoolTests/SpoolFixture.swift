import Foundation
import GatewayCore
import NIOCore
import RecordSpool
import TestKit
import Testing

/// Counts what a writer reports.
@WorkerLoop
final class CountingObserver: Observer {
    var dropped: [Observation.DropReason: Int] = [:]
    var spooled = 0

    nonisolated init() {}

    func record(_ observation: Observation) {
        switch observation {
        case .recordDropped(let reason): dropped[reason, default: 0] += 1
        case .recordSpooled: spooled += 1
        default: break
        }
    }
}

/// Installs the worker's loop before a test that runs on it.
struct WorkerLoopTrait: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    @concurrent
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        _ = TestLoop.executor
        try await function()
    }
}

extension Trait where Self == WorkerLoopTrait {
    static var onWorkerLoop: Self { WorkerLoopTrait() }
}

/// A spool in a directory of its own, removed at the end.
final class SpoolFixture: Sendable {
    let directory: String

    init() {
        directory = NSTemporaryDirectory() + "aig-spool-\(UUID().uuidString)"
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    static func record(_ number: Int, body: Int = 200) -> RequestRecord {
        var record = RequestRecord(
            id: LogID(high: UInt64(number) << 16, low: UInt64(number)), eventID: "event-\(number)",
            account: AccountID(String(repeating: "a", count: 32)), gateway: "g",
            createdAt: Instant(milliseconds: 1_790_000_000_000 + Int64(number))
        )
        record.provider = "openai"
        record.model = "gpt-4o-mini"
        record.path = "chat/completions"
        record.status = 200
        record.success = true
        record.duration = .milliseconds(12)
        record.usage.input = 10
        record.usage.output = 20
        record.cost = PicoUSD(picoDollars: 12_000_000)
        record.requestBody = ByteBuffer(repeating: 0x61, count: body)
        record.responseBody = ByteBuffer(repeating: 0x62, count: body)
        return record
    }

    /// Numbers of the records in a batch, in order.
    static func numbers(_ batch: SpoolBatch) -> [Int] {
        batch.payloads.map { RequestRecord(decoding: $0).map { Int($0.id.low) } ?? -1 }
    }

    var segments: [String] {
        let all = FileManager.default.enumerator(atPath: directory)?.compactMap { $0 as? String } ?? []
        return all.filter { $0.hasSuffix(".seg") }.sorted()
    }

    var workerFolders: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).filter { $0.hasPrefix("worker-") }
    }

    func follower() throws -> SpoolFollower {
        let follower = try SpoolFollower(directory: directory)
        guard try follower.acquire() == .owned else { throw SpoolError("owned by another", code: 0) }
        return follower
    }
}
