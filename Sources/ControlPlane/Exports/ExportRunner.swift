package import GatewayCore
import NIOCore
package import Outbound
package import PostgresStore
package import SecretVault

/// Sends settled requests to those who asked for them: OTEL exporters and Logpush jobs.
///
/// The queue is in the database: what was not taken is sent again after a restart, and one node of a cluster sends. A
/// receiver that fails is left alone for a growing while; the others are not held up by it beyond its time limit.
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
    }

    /// What the runner has done since the process started.
    package struct Statistics: Sendable, Equatable {
        package var delivered = 0
        package var refused = 0
        package var failures = 0
    }

    private struct Outage {
        var pause: Duration
        var until: ContinuousClock.Instant
    }

    private static let batch = 100
    private static let idlePause = Duration.milliseconds(500)
    private static let firstPause = Duration.seconds(1)
    private static let longestPause = Duration.seconds(300)
    private static let pruneInterval = Duration.seconds(600)

    private let queue: ExportQueue
    private let client: OutboundClient
    private let egress: EgressRule
    private let secrets: ExportSecrets
    private let vault: Vault
    private let clock: any WallClock
    private let logpushRowLimit: Int
    private let report: @Sendable (Event) -> Void
    private var outages: [String: Outage] = [:]
    private var isUnavailable = false
    private var pruneAt: ContinuousClock.Instant
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
        while !Task.isCancelled {
            let hasMore = await round()
            if hasMore { await Task.yield() } else { try? await Task.sleep(for: Self.idlePause) }
        }
    }

    /// Sends each receiver one batch; returns whether there may be more to send now.
    package func round() async -> Bool {
        do throws(PostgresError) {
            guard try await queue.acquire() else { return false }
            if ContinuousClock.now >= pruneAt {
                pruneAt = .now + Self.pruneInterval
                let pruned = try await queue.prune()
                if pruned > 0 { report(.pruned(rows: pruned)) }
            }
            var hasMore = false
            for receiver in try await queue.receivers() {
                if Task.isCancelled { return false }
                hasMore = try await serve(receiver) || hasMore
            }
            isUnavailable = false
            return hasMore
        } catch {
            if !isUnavailable { report(.unavailable(reason: error.description)) }
            isUnavailable = true
            return false
        }
    }

    /// Sends one batch; returns whether it was taken and others may wait.
    private func serve(_ receiver: ExportReceiver) async throws(PostgresError) -> Bool {
        let key = "\(receiver.account) \(receiver.gateway?.rawValue ?? "") \(receiver.target)"
        if let outage = outages[key], ContinuousClock.now < outage.until { return false }
        let bodyLimit: Int
        switch receiver.kind {
        case .otel: bodyLimit = ExportQueue.bodyLimit
        case .logpush: bodyLimit = logpushRowLimit
        }
        let requests = try await queue.next(for: receiver, atMost: Self.batch, bodyLimit: bodyLimit)
        if requests.isEmpty { return false }
        do {
            try await deliver(requests[...], to: receiver)
        } catch let failure as DeliveryFailure {
            statistics.failures += 1
            if outages[key] == nil {
                report(.failing(target: receiver.target, account: receiver.account, reason: failure.reason))
            }
            let pause = outages[key].map { min($0.pause * 2, Self.longestPause) } ?? Self.firstPause
            outages[key] = Outage(pause: pause, until: .now + pause)
            try await note(failure.reason, receiver)
            return false
        } catch let error as PostgresError {
            throw error
        } catch {
            throw PostgresError(.unexpectedResult, "\(error)")
        }
        if outages.removeValue(forKey: key) != nil {
            report(.resumed(target: receiver.target, account: receiver.account))
        }
        return true
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
