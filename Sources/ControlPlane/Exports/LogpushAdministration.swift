package import GatewayCore
package import PostgresStore
package import SecretVault

/// Manages the jobs that push settled requests out (control-plane §17; shapes of Cloudflare's Logpush jobs).
package struct LogpushAdministration: Sendable {
    /// The one dataset there is.
    package static let dataset = "ai_gateway_events"

    private let jobs: LogpushJobRepository
    private let vault: Vault
    private let egress: EgressRule
    private let jobLimit: Int

    /// - Parameter jobLimit: jobs that an account may have (control-plane §18).
    package init(_ pool: PostgresPool, vault: Vault, egress: EgressRule, jobLimit: Int = 4) {
        self.jobLimit = jobLimit
        jobs = LogpushJobRepository(pool)
        self.vault = vault
        self.egress = egress
    }

    package func list(_ account: AccountID) async throws(ControlError) -> [LogpushJob] {
        try await storing { try await jobs.list(of: account) }
    }

    package func find(_ id: String, of account: AccountID) async throws(ControlError) -> LogpushJob {
        guard let number = Int(id), let job = try await storing({ try await jobs.find(number, of: account) }) else {
            throw .notFound
        }
        return job
    }

    package func create(_ document: JSONValue, in account: AccountID) async throws(ControlError) -> LogpushJob {
        let change = try read(document, .required, account)
        let made = try await storing { try await jobs.insert(change, limit: jobLimit, of: account) }
        guard let made else {
            throw .invalid([FieldProblem(["body"], "An account has at most \(jobLimit) Logpush jobs")])
        }
        return made
    }

    package func update(
        _ id: String, _ document: JSONValue, in account: AccountID
    ) async throws(ControlError) -> LogpushJob {
        let change = try read(document, .optional, account)
        guard let number = Int(id),
            let job = try await storing({ try await jobs.update(number, change, of: account) })
        else { throw .notFound }
        return job
    }

    package func delete(_ id: String, of account: AccountID) async throws(ControlError) {
        guard let number = Int(id), try await storing({ try await jobs.delete(number, of: account) }) else {
            throw .notFound
        }
    }

    private func read(
        _ document: JSONValue, _ presence: FieldReader.Presence, _ account: AccountID
    ) throws(ControlError) -> LogpushJobRepository.Change {
        var form = FieldReader(document)
        var name: String?
        form.string("name", lengths: 0...512, into: &name)
        var dataset: String?
        form.string("dataset", presence, into: &dataset)
        if let dataset, dataset != Self.dataset { form.report("dataset", "Only \(Self.dataset) can be pushed") }
        var enabled = false
        let hasEnabled = document["enabled"] != nil
        form.bool("enabled", into: &enabled)
        var destination: String?
        form.string("destination_conf", presence, lengths: 1...4096, into: &destination)
        if let destination {
            do throws(LogpushDestination.Refusal) {
                _ = try LogpushDestination(destination, egress: egress)
            } catch {
                form.report("destination_conf", error.message)
            }
        }
        try form.finish()
        var change = LogpushJobRepository.Change(name: name, enabled: hasEnabled ? enabled : nil)
        if let destination {
            do {
                change.destination = (
                    try vault.seal(Secret(Array(destination.utf8)), account: account, secretID: LogpushSealing.context),
                    LogpushDestination.preview(of: destination)
                )
            } catch {
                throw .internalFailure("a destination could not be sealed")
            }
        }
        return change
    }
}
