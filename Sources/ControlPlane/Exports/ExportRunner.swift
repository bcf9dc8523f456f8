package import GatewayCore
import NIOCore
package import Outbound
package import PostgresStore
package import SecretVault

/// Sends settled requests to those who asked for them: OTEL exporters and Logpush jobs.
///
/// The queue is in the database: what was not taken is sent again after a restart, and one node of a cluster sends.
/// Several receivers are served at once, as `ExportSchedule` has it; one that fails or is slow holds up no other.
package actor ExportRunner {
    /// What somebody may have to look at.
    package enum Event: Sendable, Equatable {
        /// A receiver does not take anything; told once per outage.
        case failing(target: String, account: AccountID, reason: String)
        /// It does again.
        case resumed(target: String, account: AccountID)
        /// The receiver refuses these requests for good; they will not be sent again.
        case refused(target: String, account: AccountID, requests: Int, reason: String)
        /// The queue cannot be read; told once per outage.
        case unavailable(reason: String)
        /// What nobody took in time, or nobody is there to take.
        case pruned(rows: Int)
        /// That could not be removed from the queue now.
        case notPruned(reason: String)
    }

    /// What the runner has done since the process started.
    package struct Statistics: Sendable, Equatable {
        package var delivered = 0
        package var refused = 0
        package var failures = 0
    }

    private static let batch = 100
    /// Between looks at the queue.
    private static let pause = Duration.milliseconds(500)
    /// How long a receiver is served before others have their turn.
    private static let turn = Duration.seconds(5)
    private static let pruneInterval = Duration.seconds(60)

    private let queue: ExportQueue
    private let client: OutboundClient
    private let egress: EgressRule
    private let secrets: ExportSecrets
    private let vault: Vault
    private let clock: any WallClock
    private let logpushRowLimit: Int
    private let report: @Sendable (Event) -> Void
    private var schedule = ExportSchedule()
    /// Whether the queue was this process's own when it was last looked at.
    private var isSender = false
    private var isUnavailable = false
    private var pruneAt: ContinuousClock.Instant
    private var pruned = 0
    package private(set) var statistics = Statistics()

    /// - Parameters:
    ///   - session: used by nobody else.
    ///   - logpushRowLimit: bytes of bodies and metadata of a request that is pushed.
    ///   - report: for the process log.
    package init(
        session: PostgresSession, client: OutboundClient, egress: EgressRule, secrets: ExportSecrets, vault: Vault,
        clock: any WallClock, logpushRowLimit: Int = ProductLimits().logpushEntry,
        report: @escaping @Sendable (Event) -> Void
    ) {
        self.logpushRowLimit = logpushRowLimit
        queue = ExportQueue(session)
        self.client = client
        self.egress = egress
        self.secrets = secrets
        self.vault = vault
        self.clock = clock
        self.report = report
        pruneAt = .now
    }

    /// Works until the task is cancelled.
    package func run() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                for receiver in await begin() {
                    group.addTask { await self.serve(receiver) }
                }
                try? await Task.sleep(for: Self.pause)
            }
        }
    }

    /// Those whose turn it is; none while another process sends.
    private func begin() async -> [ExportReceiver] {
        do throws(PostgresError) {
            isSender = try await queue.acquire()
            guard isSender else { return [] }
            try await prune()
            let waiting = try await queue.receivers()
            isUnavailable = false
            return schedule.begin(waiting, now: .now)
        } catch {
            isSender = false
            note(error)
            return []
        }
    }

    private func note(_ error: PostgresError) {
        if !isUnavailable { report(.unavailable(reason: error.description)) }
        isUnavailable = true
    }

    /// Removes a piece of what nobody takes any more, so that exports need not wait for all of it.
    private func prune() async throws(PostgresError) {
        guard ContinuousClock.now >= pruneAt else { return }
        do throws(PostgresError) {
            let rows = try await queue.prune()
            pruned += rows
            if rows > 0 { return }
        } catch {
            // A statement that takes too long is no reason not to send what can be sent.
            guard error.isOverTime else { throw error }
            report(.notPruned(reason: error.description))
        }
        pruneAt = .now + Self.pruneInterval
        if pruned > 0 { report(.pruned(rows: pruned)) }
        pruned = 0
    }

    /// Sends batches until nothing is left, its turn is over or the receiver takes no more.
    private func serve(_ receiver: ExportReceiver) async {
        defer { schedule.end(receiver) }
        let end = ContinuousClock.now + Self.turn
        let bodyLimit: Int
        switch receiver.kind {
        case .otel: bodyLimit = ExportQueue.bodyLimit
        case .logpush: bodyLimit = logpushRowLimit
        }
        var last = 0
        do {
            repeat {
                let batch = try await queue.next(
                    for: receiver, after: last, atMost: Self.batch, bodyLimit: bodyLimit)
                guard let seen = batch.last else { return }
                last = seen
                if batch.requests.isEmpty { continue }
                try await deliver(batch.requests[...], to: receiver)
                if schedule.succeed(receiver) {
                    report(.resumed(target: receiver.target, account: receiver.account))
                }
            } while ContinuousClock.now < end && isSender && !Task.isCancelled
        } catch let error as PostgresError where error.isUnavailable && !error.isOverTime {
            note(error)
        } catch {
            // What ends with the process is no failure of the receiver.
            if Task.isCancelled { return }
            await fail(receiver, error as? DeliveryFailure ?? .later("\(error)"))
        }
    }

    private func fail(_ receiver: ExportReceiver, _ failure: DeliveryFailure) async {
        statistics.failures += 1
        var blame = ExportSchedule.Blame.receiver
        if case .unreachable = failure { blame = .address }
        if schedule.fail(receiver, blame, now: .now) {
            report(.failing(target: receiver.target, account: receiver.account, reason: failure.reason))
        }
        do throws(PostgresError) { try await note(failure.reason, receiver) } catch { note(error) }
    }

    /// Sends requests and takes them from the queue; halves what is refused until those to blame stand alone.
    private func deliver(_ requests: ArraySlice<ExportedRequest>, to receiver: ExportReceiver) async throws {
        let problem: String?
        do throws(DeliveryFailure) {
            problem = try await send(Array(requests), to: receiver)
        } catch {
            guard case .refused(let reason) = error else { throw error }
            guard requests.count > 1 else {
                statistics.refused += 1
                report(.refused(target: receiver.target, account: receiver.account, requests: 1, reason: reason))
                return try await finish(requests, receiver, reason)
            }
            let middle = requests.startIndex + requests.count / 2
            try await deliver(requests[..<middle], to: receiver)
            return try await deliver(requests[middle...], to: receiver)
        }
        statistics.delivered += requests.count
        try await finish(requests, receiver, problem)
    }

    private func finish(
        _ requests: ArraySlice<ExportedRequest>, _ receiver: ExportReceiver, _ problem: String?
    ) async throws {
        try await queue.remove(requests.map(\.queueID))
        try await note(problem, receiver)
    }

    private func note(_ problem: String?, _ receiver: ExportReceiver) async throws(PostgresError) {
        if case .logpush(let job, _) = receiver.kind { try await queue.note(job: job, problem: problem) }
    }

    /// Returns what the account's operator should know although everything was taken.
    private func send(
        _ requests: [ExportedRequest], to receiver: ExportReceiver
    ) async throws(DeliveryFailure) -> String? {
        switch receiver.kind {
        case .otel(let text):
            let exporter = try OTELExporter(text, egress: egress)
            try await exporter.send(requests, of: receiver.account, secrets: secrets, client: client)
            return nil
        case .logpush(let job, let envelope):
            let destination = try LogpushDestination(
                sealed: envelope, of: receiver.account, vault: vault, egress: egress)
            var file = LogpushFile(job: job, rowLimit: logpushRowLimit)
            for request in requests { try file.add(request) }
            try await destination.store(file, client: client, now: clock.now)
            return file.problem
        }
    }
}
