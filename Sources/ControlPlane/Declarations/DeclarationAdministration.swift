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
    }

    /// Undoes a rehearsal's transaction.
    private struct Rehearsed: Error { var report: DeclarationReport }

    /// Two writers that met are tried again.
    private static let attempts = 3

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
    package func apply(
        _ declarations: Declarations, to account: AccountID, _ pruning: Pruning, _ effect: Effect
    ) async throws(DeclarationFailure) -> Outcome {
        var attempt = 0
        while true {
            attempt += 1
            do {
                return try await attemptToApply(declarations, to: account, pruning, effect)
            } catch let rehearsed as Rehearsed {
                return Outcome(report: rehearsed.report)
            } catch let failure as DeclarationFailure {
                if failure == .storeUnavailable, pool.health.isAvailable, attempt < Self.attempts { continue }
                throw failure
            } catch let error as PostgresError {
                if error.isTransient || (error.isUnavailable && pool.health.isAvailable), attempt < Self.attempts {
                    continue
                }
                throw DeclarationFailure(ControlError(error), at: [])
            } catch {
                throw .internalFailure("\(error)")
            }
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
        _ declarations: Declarations, to account: AccountID, _ pruning: Pruning, _ effect: Effect
    ) async throws -> Outcome {
        try await pool.transaction { transaction in
            let joined = pool.joining(transaction)
            let repository = AccountConfigurationRepository(joined)
            guard try await repository.lock(account) else { throw DeclarationFailure.noSuchAccount }
            let state = PresentState(try await repository.read(account), of: account, vault: sealer.vault)
            let comparison = DeclarationComparison(declarations, with: state, pruning, limits)
            guard comparison.problems.isEmpty else { throw DeclarationFailure.refused(comparison.problems) }
            let execution = DeclarationExecution(joined, state, sealer: sealer, egress: egress, limits: limits)
            do throws(DeclarationFailure) {
                try await execution.run(comparison.steps)
            } catch {
                guard case .refused(let problems) = error else { throw error }
                throw DeclarationFailure.refused(problems.map(declarations.locating))
            }
            if effect == .rehearsal { throw Rehearsed(report: comparison.report) }
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
                let names = headers.map { JSONValue.Member($0.name, .string(DeclarationForm.mask)) }
                return exporter.replacing("headers", with: .object(names))
            }
        )
    }
}
