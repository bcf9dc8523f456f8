import GatewayCore
import NIOCore
package import PostgresStore
package import RecordSpool

/// Ships the records of this node's workers from the spool into PostgreSQL.
///
/// Read, store, commit, then move the checkpoint: a death between the last two makes the batch come again, and the
/// record writer stores no row twice. What has no row is known by an id in the database, until the checkpoint is on the
/// disk. While PostgreSQL is away the spool is the queue.
package actor SpoolDrain {
    /// What somebody may have to look at.
    package enum Event: Sendable, Equatable {
        /// Storing failed and is tried again until it works; told once per outage.
        case waiting(problem: String)
        /// Storing works again.
        case resumed
        /// The database refuses this record; it was put aside in the spool's `rejected` folder.
        case rejected(reason: String)
        /// A refused record that could not be put aside either.
        case lost(reason: String)
        /// Bytes that held no sound record: the torn tail of a killed worker, or damage.
        case skipped(bytes: Int)
        case unreadable(SpoolError)
        /// The gateway's log holds as many rows as it may, and takes no more; told once an hour.
        case logFull(account: String, gateway: String)
        /// The gateway has more requests in a second than its log takes; told once an hour.
        case logTooFast(account: String, gateway: String)
        /// Another process still follows this spool; it is waited for.
        case heldByOther
    }

    /// What the drain has done since the process started.
    package struct Statistics: Sendable, Equatable {
        package var stored = 0
        package var rejected = 0
        package var lost = 0
        /// Records that full logs did not take.
        package var refused = 0
        /// Records beyond what logs take in a second.
        package var dropped = 0
        package var skippedBytes = 0
    }

    private enum Step {
        case stored(isMoreLikely: Bool)
        case idle
        case failed
    }

    private static let maxRecords = 2000
    private static let maxBytes = 8 << 20
    private static let activePause = Duration.milliseconds(100)
    private static let idlePause = Duration.milliseconds(250)
    private static let firstBackoff = Duration.milliseconds(100)
    private static let longestBackoff = Duration.seconds(2)
    private static let fullLogPause = Duration.seconds(3600)
    private static let maxFullLogs = 10_000
    /// Ids in the database that are as many as should wait for the checkpoint.
    private static let usualRowless = 20_000
    /// Between two writes of the checkpoint to the disk, however many ids wait, and though it may have failed.
    private static let leastPause = Duration.seconds(1)
    /// Ids in memory, when the checkpoint cannot be saved; those beyond go by themselves, after a week.
    private static let maxRowless = 100_000

    private let follower: SpoolFollower
    private let writer: RecordWriter
    private let rejected: RejectedRecords
    /// What is being stored; empty between the steps, when it only keeps its memory.
    private var batch: RecordBatch
    /// Records that were counted without a row, by id: of batches that can come again after a loss of power, and of those
    /// that cannot.
    private var rowless: [String] = []
    private var settled: [String] = []
    private let securing: Duration
    private var securedAt = ContinuousClock.now
    private let report: @Sendable (Event) -> Void
    package private(set) var statistics = Statistics()
    /// When it was last told that a log is full, by account and gateway.
    private var fullLogs: [String: ContinuousClock.Instant] = [:]
    /// The same of logs that take no more in a second.
    private var fastLogs: [String: ContinuousClock.Instant] = [:]
    private var isStepping = false
    private var isWaiting = false
    private var backoff = SpoolDrain.firstBackoff
    /// Records of a batch; fewer for a while after a batch that took the database too long.
    private var recordsAtOnce = SpoolDrain.maxRecords

    /// - Parameters:
    ///   - directory: the node's spool; made if missing.
    ///   - session: used by nobody else.
    ///   - rate: what logs take in a second.
    ///   - rowLimit: rows that a gateway's log may hold at most.
    ///   - securing: how often the checkpoint is written to the disk, while there are records without rows.
    ///   - report: for the process log and its counters.
    package init(
        directory: String, session: PostgresSession, rate: LogRate = LogRate(limit: 0),
        rowLimit: Int = ProductLimits().logRowsPerGateway, securing: Duration = .seconds(5),
        report: @escaping @Sendable (Event) -> Void
    ) throws(SpoolError) {
        follower = try SpoolFollower(directory: directory)
        writer = RecordWriter(session, rowLimit: rowLimit)
        batch = RecordBatch(rate: rate)
        rejected = RejectedRecords(spoolDirectory: directory)
        self.securing = securing
        self.report = report
    }

    /// Bytes on disk that are not stored yet.
    package var backlogBytes: Int { follower.backlogBytes }

    /// Works until the task is cancelled.
    ///
    /// The step under way is finished.
    package func run() async {
        while !Task.isCancelled {
            do {
                switch await step(until: nil) {
                case .stored(isMoreLikely: true): await Task.yield()
                case .stored(isMoreLikely: false): try await Task.sleep(for: Self.activePause)
                case .idle: try await Task.sleep(for: Self.idlePause)
                case .failed:
                    try await Task.sleep(for: backoff)
                    backoff = min(backoff * 2, Self.longestBackoff)
                }
            } catch {
                return
            }
        }
    }

    /// Stores what is in the spool now, without waiting for the next turn of `run`; gives up after `limit`.
    ///
    /// A record whose request was answered before the call is in the database afterwards, unless it was refused there.
    package func drainNow(within limit: Duration) async {
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline, !Task.isCancelled {
            switch await step(until: deadline) {
            case .stored(isMoreLikely: true): continue
            case .stored(isMoreLikely: false), .idle, .failed: return
            }
        }
    }

    /// Whether everything that was in the spool has been stored.
    package enum Ending: Sendable, Equatable { case shipped, left(bytes: Int) }

    /// Ships what is left, for at most `limit`, and lets the spool go.
    ///
    /// Called once the workers have ended, after `run` was cancelled.
    package func finish(within limit: Duration) async -> Ending {
        let deadline = ContinuousClock.now + limit
        var ending = Ending.left(bytes: follower.backlogBytes)
        shipping: while ContinuousClock.now < deadline {
            switch await step(until: deadline) {
            case .stored: continue
            case .idle:
                ending = .shipped
                break shipping
            case .failed:
                ending = .left(bytes: follower.backlogBytes)
                try? await Task.sleep(for: Self.firstBackoff)
            }
        }
        if ending != .shipped { ending = .left(bytes: follower.backlogBytes) }
        while isStepping, ContinuousClock.now < deadline { try? await Task.sleep(for: .milliseconds(2)) }
        if !isStepping {
            isStepping = true
            defer { isStepping = false }
            await settle(.now)
        }
        follower.close()
        return ending
    }

    /// One batch from disk to the database.
    ///
    /// - Parameter deadline: no batch is divided any further, nor another step waited for, after it; nil: none.
    private func step(until deadline: ContinuousClock.Instant?) async -> Step {
        // `finish` may come while `run` is inside a step.
        while isStepping {
            if let deadline, ContinuousClock.now >= deadline { return .failed }
            try? await Task.sleep(for: .milliseconds(2))
        }
        isStepping = true
        defer { isStepping = false }
        do throws(SpoolError) {
            guard try follower.acquire() == .owned else {
                fail(.heldByOther)
                return .failed
            }
        } catch {
            fail(.unreadable(error))
            return .failed
        }
        let limit = recordsAtOnce
        let found = follower.read(maxRecords: limit, maxBytes: Self.maxBytes)
        for problem in found.problems { report(.unreadable(problem)) }
        if found.skippedBytes > 0 {
            statistics.skippedBytes += found.skippedBytes
            report(.skipped(bytes: found.skippedBytes))
        }
        if found.payloads.isEmpty {
            // Skipped bytes move the checkpoint too.
            if found.skippedBytes > 0 { saveCheckpoint() }
            if deadline == nil { await settle(.whenDue) }
            return found.problems.isEmpty ? .idle : .failed
        }
        do throws(PostgresError) {
            try await store(found, until: deadline)
        } catch {
            follower.rewind()
            fail(.waiting(problem: error.description))
            return .failed
        }
        saveCheckpoint()
        backoff = Self.firstBackoff
        if isWaiting {
            isWaiting = false
            report(.resumed)
        }
        // Whoever waits for fresh rows does not wait for the disk.
        if deadline == nil { await settle(.whenDue) }
        let isFull = found.payloads.count >= limit || found.bytes >= Self.maxBytes / 2
        return .stored(isMoreLikely: isFull)
    }

    private func fail(_ event: Event) {
        if !isWaiting { report(event) }
        isWaiting = true
    }

    private func saveCheckpoint() {
        do throws(SpoolError) {
            try follower.commit()
        } catch {
            // The rows are stored; after a restart they are read again and passed over.
            report(.unreadable(error))
        }
    }

    private enum Urgency { case whenDue, now }

    /// Forgets the ids of records without rows, once their batches cannot come again even after a loss of power.
    ///
    /// Called between batches: all ids are of committed ones.
    private func settle(_ urgency: Urgency) async {
        let since = securedAt.duration(to: .now)
        let isDue =
            urgency == .now || since >= securing || (rowless.count >= Self.usualRowless && since >= Self.leastPause)
        if isDue, !rowless.isEmpty || follower.hasRemovedSegments {
            securedAt = .now
            do throws(SpoolError) {
                try follower.secure()
                settled += rowless
                rowless.removeAll()
            } catch {
                report(.unreadable(error))
            }
        }
        guard !settled.isEmpty else { return }
        do throws(PostgresError) {
            try await writer.forget(settled)
            settled.removeAll()
        } catch {
            // The next batch finds out whether the database is away.
            if settled.count >= Self.maxRowless { settled.removeAll() }
        }
    }

    private func store(
        _ found: SpoolBatch, until deadline: ContinuousClock.Instant?
    ) async throws(PostgresError) {
        // What is not stored now comes again, and is counted again.
        let rate = batch.rate
        defer { batch.removeAll() }
        var refused: [(payload: ByteBuffer, reason: String)] = []
        for payload in found.payloads where batch.add(payload) == .unreadable {
            refused.append((payload, "its fields cannot be read"))
        }
        var ids: [String] = []
        do throws(PostgresError) {
            let outcome = try await writer.write(batch, found.novelty == .new ? .first : .perhapsAgain)
            note(outcome)
            ids = outcome.rowless
            recordsAtOnce = min(recordsAtOnce * 2, Self.maxRecords)
        } catch {
            batch.rate = rate
            guard error.isOfStatement else { throw error }
            if error.isOverTime { recordsAtOnce = max(recordsAtOnce / 2, 1) }
            var divided = DividedBatch(writer, rate: rate, until: deadline)
            let trouble = await divided.store(found.payloads[...], after: error)
            for outcome in divided.outcomes { note(outcome) }
            if let trouble { throw trouble }
            batch.rate = divided.rate
            refused += divided.culprits
            ids = divided.outcomes.flatMap(\.rowless)
        }
        // Not before: what fails in between comes again as a whole.
        for (payload, reason) in refused { putAside(payload, reason) }
        if rowless.count < Self.maxRowless { rowless += ids }
    }

    private func note(_ outcome: RecordOutcome) {
        statistics.stored += outcome.stored
        for gateway in outcome.refused {
            statistics.refused += gateway.records
            if Self.isDue(gateway, &fullLogs) {
                report(.logFull(account: gateway.account, gateway: gateway.gateway))
            }
        }
        for gateway in outcome.dropped {
            statistics.dropped += gateway.records
            if Self.isDue(gateway, &fastLogs) {
                report(.logTooFast(account: gateway.account, gateway: gateway.gateway))
            }
        }
    }

    /// Whether it is time to tell something of a gateway, which is noted.
    private static func isDue(_ gateway: GatewayTally, _ told: inout [String: ContinuousClock.Instant]) -> Bool {
        let name = gateway.account + "/" + gateway.gateway
        if let last = told[name], last.duration(to: .now) < fullLogPause { return false }
        if told.count >= maxFullLogs { told.removeAll() }
        told[name] = .now
        return true
    }

    private func putAside(_ payload: ByteBuffer, _ reason: String) {
        switch rejected.add(payload) {
        case .kept:
            statistics.rejected += 1
            report(.rejected(reason: reason))
        case .lost:
            statistics.lost += 1
            report(.lost(reason: reason))
        }
    }
}
