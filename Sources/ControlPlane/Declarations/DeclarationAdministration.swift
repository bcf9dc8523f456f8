package import GatewayCore
package import PostgresStore

/// Applies files of declarations to accounts, and writes what accounts have as such files.
package struct DeclarationAdministration: Sendable {
    /// What becomes of objects that a file does not name.
    package enum Pruning: Sendable { case keepOthers, deleteOthers }
    /// Whether anything is changed.
    package enum Effect: Sendable {
        case lasting
        /// Everything is done and undone again, so that whatever would refuse has refused.
        case rehearsal
    }

    /// What came of it.
    package struct Outcome: Sendable {
        package var report: DeclarationReport
        /// The first snapshot version with the changes; nil when nothing was changed.
        package var version: UInt64?
        /// Other than `new`: nothing was done, because of what came of this or of a later reading before.
        package var standing = DeclarationReading.Standing.new
    }

    /// Undoes a rehearsal's transaction.
    private struct Rehearsed: Error { var report: DeclarationReport }

    /// How long attempts that met other writers are followed by further ones.
    private static let patience: Duration = .seconds(30)
    private static let longestPause: Duration = .seconds(1)

    private let pool: PostgresPool
    private let sealer: SecretSealer
    private let egress: EgressRule
    private let limits: ProductLimits

    package init(_ pool: PostgresPool, sealer: SecretSealer, egress: EgressRule, limits: ProductLimits) {
        self.pool = pool
        self.sealer = sealer
        self.egress = egress
        self.limits = limits
    }

    /// Makes an account what a file declares, in one transaction: all of it or nothing.
    ///
    /// - Parameter reading: applied once, and only while no later one is in force; nil: in any case.
    package func apply(
        _ declarations: Declarations, to account: AccountID, _ pruning: Pruning, _ effect: Effect,
        once reading: DeclarationReading? = nil
    ) async throws(DeclarationFailure) -> Outcome {
        let deadline = ContinuousClock.now + Self.patience
        var pause: Duration = .milliseconds(20)
        while true {
            let failure: DeclarationFailure
            do {
                return try await attemptToApply(declarations, to: account, pruning, effect, reading)
            } catch let rehearsed as Rehearsed {
                return Outcome(report: rehearsed.report)
            } catch let reason as DeclarationFailure {
                failure = reason
            } catch let error as PostgresError {
                failure = DeclarationFailure(ControlError(error), at: [])
            } catch {
                throw .internalFailure("\(error)")
            }
            switch failure {
            // An answer that did not come in time, or a conflict: the server is there.
            case .storeUnavailable where pool.health.isAvailable, .contended:
                guard ContinuousClock.now < deadline, !Task.isCancelled else {
                    if case .contended = failure { throw failure }
                    throw .contended([])
                }
            case .refused:
                if let reading { await note(.refused, of: reading, in: account) }
                throw failure
            default: throw failure
            }
            try? await Task.sleep(for: pause * Double.random(in: 0.5...1))
            pause = min(pause * 2, Self.longestPause)
        }
    }

    /// Best effort: what could not be noted is tried again by the next control process.
    private func note(
        _ outcome: DeclarationReadingRepository.Outcome, of reading: DeclarationReading, in account: AccountID
    ) async {
        do throws(PostgresError) {
            try await DeclarationReadingRepository(pool).note(outcome, of: reading, in: account)
        } catch {
            // The database went away after it had said no.
        }
    }

    /// What an account has as a file of declarations; equal configurations give equal files.
    package func export(of account: AccountID) async throws(DeclarationFailure) -> String {
        let state: PresentState
        do {
            state = try await pool.transaction(.snapshot) { transaction in
                let repository = AccountConfigurationRepository(pool.joining(transaction))
                guard try await repository.exists(account) else { throw DeclarationFailure.noSuchAccount }
                return PresentState(try await repository.read(account), of: account, vault: sealer.vault)
            }
        } catch let failure as DeclarationFailure {
            throw failure
        } catch let error as PostgresError {
            throw DeclarationFailure(ControlError(error), at: [])
        } catch {
            throw .internalFailure("\(error)")
        }
        return try DeclarationText.yaml(state.document)
    }

    private func attemptToApply(
        _ declarations: Declarations, to account: AccountID, _ pruning: Pruning, _ effect: Effect,
        _ reading: DeclarationReading?
    ) async throws -> Outcome {
        // From here on nobody else changes configuration: what is read and compared is what is changed.
        try await pool.transaction(.configuration) { transaction in
            let joined = pool.joining(transaction)
            let repository = AccountConfigurationRepository(joined)
            let readings = DeclarationReadingRepository(joined)
            guard try await repository.exists(account) else { throw DeclarationFailure.noSuchAccount }
            if let reading {
                let standing = try await readings.standing(of: reading, in: account)
                guard standing == .new else { return Outcome(report: DeclarationReport(), standing: standing) }
            }
            let state = PresentState(try await repository.read(account), of: account, vault: sealer.vault)
            let comparison = DeclarationComparison(declarations, with: state, pruning, limits)
            guard comparison.problems.isEmpty else { throw DeclarationFailure.refused(comparison.problems) }
            let execution = DeclarationExecution(joined, state, sealer: sealer, egress: egress, limits: limits)
            do throws(DeclarationFailure) {
                try await execution.run(comparison.steps)
            } catch {
                switch error {
                case .refused(let problems): throw DeclarationFailure.refused(problems.map(declarations.locating))
                case .contended(let problems): throw DeclarationFailure.contended(problems.map(declarations.locating))
                default: throw error
                }
            }
            if !comparison.steps.isEmpty { try await repository.removeUnusedSecrets(of: account) }
            if effect == .rehearsal { throw Rehearsed(report: comparison.report) }
            if let reading { try await readings.note(.applied, of: reading, in: account) }
            let version = comparison.steps.isEmpty ? nil : try await ConfigurationRepository(joined).version()
            return Outcome(report: comparison.report, version: version)
        }
    }
}

extension PresentState {
    /// The whole file.
    fileprivate var document: JSONValue {
        let gateways = configuration.gateways.map { gateway -> JSONValue in
            let store = store(of: gateway.settings)
            var members = form(of: gateway.id, gateway.settings).members ?? []
            if let index = members.firstIndex(where: { $0.name == "otel" }) {
                members[index].value = Self.masked(members[index].value)
            }
            let configs = configs(of: gateway.id).map { form(of: $0, store: store) }
            if !configs.isEmpty { members.append(.init("provider_configs", .array(configs))) }
            let routes = routes(of: gateway.id).map { form(of: $0) }
            if !routes.isEmpty { members.append(.init("routes", .array(routes))) }
            return .object(members)
        }
        let providers = configuration.customProviders.map { provider -> JSONValue in
            var members = form(of: provider).members ?? []
            let costs = costs(of: provider.id).map { DeclarationForm.customCost($0.settings) }
            if !costs.isEmpty { members.append(.init("costs", .array(costs))) }
            return .object(members)
        }
        return [
            "version": JSONValue(Declarations.version), "gateways": .array(gateways),
            "custom_providers": .array(providers),
        ]
    }

    /// Exporters without the values of their headers.
    private static func masked(_ exporters: JSONValue) -> JSONValue {
        .array(
            (exporters.elements ?? []).map { exporter in
                guard let headers = exporter["headers"]?.members else { return exporter }
                let names = headers.map { JSONValue.Member($0.name, .string(Secret.mask)) }
                return exporter.replacing("headers", with: .object(names))
            }
        )
    }
}
