package import ExternalSecrets
package import GatewayCore
package import SecretVault

/// Keeps the values of secrets that point outside, sealed like any other, so that workers see no difference.
///
/// A new reference is looked up at once, all of them again at every interval. A source that cannot be reached leaves
/// the last known value in use; one that says the value is gone takes it away. Nobody waits for a slow source longer
/// than `patience`: the snapshot goes out without the value, and again when it is there.
package actor ReferenceResolver {
    /// What the process log is told; never a value.
    package enum Event: Sendable, Equatable {
        /// A secret has no fresh value; told once per outage of that secret.
        case failed(SecretID, account: AccountID, name: String, reason: String, isInUse: Bool)
        case restored(SecretID, account: AccountID, name: String)
    }

    private struct Known {
        /// As it is stored: its envelope holds the reference.
        let stored: SealedSecret
        /// SHA-256 of the reference; nil when it cannot be opened.
        let reference: [UInt8]?
        /// SHA-256 of the value in `sealed`; nil when that came from disk.
        var digest: [UInt8]?
        /// The value as workers are given it; nil while it is not known.
        var sealed: SealedSecret?
        var problem: String?
        /// Whether a look-up has ended, however.
        var isAnswered = false

        /// Whether both point to the same place: a new master key changes envelopes and not what is in them.
        func pointsAsDoes(_ other: Known) -> Bool {
            guard let reference, stored.id == other.stored.id, stored.account == other.stored.account else {
                return stored == other.stored
            }
            return reference == other.reference
        }
    }

    /// Look-ups at the same time.
    private static let concurrency = 8

    private let source: ExternalSecrets
    private let vault: Vault
    private let interval: Duration
    private let patience: Duration
    private let report: @Sendable (Event) -> Void
    private var known: [SecretID: Known] = [:]
    /// From the snapshot on disk, with its version.
    private var previous: ConfigSnapshot?
    /// Secrets for whose first answer a snapshot is being held back.
    private var awaited: Set<SecretID> = []
    /// Secrets whose look-up is asked for and has not begun; each of them is in `requests` once.
    private var queued: Set<SecretID> = []
    private let requests: AsyncStream<SecretID>
    private nonisolated let requester: AsyncStream<SecretID>.Continuation
    /// Says that values differ from those last handed out.
    package nonisolated let changes: AsyncStream<Void>
    private nonisolated let changer: AsyncStream<Void>.Continuation

    /// - Parameters:
    ///   - vault: opens references and seals values.
    ///   - interval: between two look-ups of the same value.
    ///   - patience: longest wait of a snapshot for values that were never looked up.
    ///   - previous: the last good snapshot, whose values serve until a source answers.
    package init(
        _ source: ExternalSecrets, vault: Vault, interval: Duration, patience: Duration = .milliseconds(250),
        previous: ConfigSnapshot? = nil, report: @escaping @Sendable (Event) -> Void
    ) {
        self.source = source
        self.vault = vault
        self.interval = interval
        self.patience = patience
        self.previous = previous
        self.report = report
        (requests, requester) = AsyncStream.makeStream()
        (changes, changer) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Looks values up until the task is cancelled.
    package func run() async {
        let requests = requests
        await withTaskGroup { group in
            group.addTask { await self.tick() }
            var running = 0
            for await id in requests {
                if running >= Self.concurrency {
                    await group.next()
                    running -= 1
                }
                group.addTask { await self.refresh(id) }
                running += 1
            }
            group.cancelAll()
        }
    }

    /// Takes the references of a snapshot over and answers those whose values are known, with their values.
    ///
    /// - Parameter version: of the snapshot; values from disk count only for the version they belong to, since a
    ///   reference may have been changed since.
    package func resolve(_ references: [SealedSecret], version: UInt64) async -> [SealedSecret] {
        var fresh: [SecretID: Known] = [:]
        for stored in references {
            if let present = known[stored.id], present.stored == stored {
                fresh[stored.id] = present
                continue
            }
            var new = Known(
                stored: stored, reference: (try? vault.open(stored)).map { Digest.sha256($0.reveal()) }
            )
            if let present = known[stored.id], present.pointsAsDoes(new) {
                new.digest = present.digest
                new.sealed = present.sealed
                new.sealed?.name = stored.name
                new.problem = present.problem
            } else if let previous, previous.version == version {
                new.sealed = previous.secrets.first { $0.id == stored.id && $0.account == stored.account }
            }
            fresh[stored.id] = new
        }
        previous = nil
        known = fresh
        let unanswered = Set(fresh.values.filter { !$0.isAnswered }.map(\.stored.id))
        if !unanswered.isEmpty {
            awaited = unanswered
            for id in unanswered { request(id) }
            let deadline = ContinuousClock.now + patience
            while !awaited.isEmpty, ContinuousClock.now < deadline, !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(2))
            }
            awaited = []
        }
        return references.compactMap { known[$0.id]?.sealed }
    }

    private func tick() async {
        while !Task.isCancelled {
            do { try await Task.sleep(for: interval) } catch { return }
            for id in known.keys { request(id) }
        }
    }

    /// Asks for a look-up, unless one is asked for already.
    private func request(_ id: SecretID) {
        if queued.insert(id).inserted { requester.yield(id) }
    }

    private func refresh(_ id: SecretID) async {
        queued.remove(id)
        guard let before = known[id] else { return }
        let result: Result<Secret<[UInt8]>, ExternalSecretError>
        do throws(ExternalSecretError) {
            result = .success(try await value(of: before.stored))
        } catch {
            result = .failure(error)
        }
        // The reference may have been replaced while its source was asked.
        guard !Task.isCancelled, var present = known[id], present.pointsAsDoes(before) else { return }
        let former = present.sealed
        note(result, in: &present)
        present.isAnswered = true
        known[id] = present
        let isAwaited = awaited.remove(id) != nil
        if present.sealed != former, !isAwaited { changer.yield() }
    }

    private func note(_ result: Result<Secret<[UInt8]>, ExternalSecretError>, in entry: inout Known) {
        let stored = entry.stored
        do {
            let value = try result.get()
            let digest = Digest.sha256(value.reveal())
            if entry.digest != digest || entry.sealed == nil {
                var sealed = stored
                sealed.envelope = try vault.seal(value, account: stored.account, secretID: stored.id)
                entry.sealed = sealed
                entry.digest = digest
            }
            if entry.problem != nil { report(.restored(stored.id, account: stored.account, name: stored.name)) }
            entry.problem = nil
        } catch {
            if case ExternalSecretError.gone = error {
                entry.sealed = nil
                entry.digest = nil
            }
            let reason = "\(error)"
            if entry.problem != reason {
                report(
                    .failed(
                        stored.id, account: stored.account, name: stored.name, reason: reason,
                        isInUse: entry.sealed != nil
                    )
                )
            }
            entry.problem = reason
        }
    }

    private func value(of stored: SealedSecret) async throws(ExternalSecretError) -> Secret<[UInt8]> {
        guard let text = try? vault.open(stored).reveal() else {
            throw .unavailable("its reference cannot be opened with this master key")
        }
        guard let reference = try? SecretReference(String(decoding: text, as: UTF8.self)) else {
            throw .gone("its reference is malformed")
        }
        return try await source.value(of: reference)
    }
}
