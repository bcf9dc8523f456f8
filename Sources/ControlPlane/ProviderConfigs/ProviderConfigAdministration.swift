package import GatewayCore
package import PostgresStore
import Providers

/// What operators do with stored provider keys (control-plane.md §7).
package struct ProviderConfigAdministration: Sendable {
    private let configs: ProviderConfigRepository
    private let sealer: SecretSealer
    private let canonicalProvider: @Sendable (String) -> ProviderID

    /// - Parameter canonicalProvider: replaces the other names of a provider by the one that routes use.
    package init(
        _ pool: PostgresPool, sealer: SecretSealer, canonicalProvider: @escaping @Sendable (String) -> ProviderID
    ) {
        configs = ProviderConfigRepository(pool)
        self.sealer = sealer
        self.canonicalProvider = canonicalProvider
    }

    package func list(
        of gateway: GatewayID, in account: AccountID, page: PageRequest
    ) async throws(ControlError) -> Page<ProviderConfig> {
        try await storing { try await configs.list(gateway, of: account, page: page) }
    }

    package func create(
        _ body: JSONValue, of gateway: GatewayID, in account: AccountID, now: Instant
    ) async throws(ControlError) -> ConfigurationWrite<ProviderConfig> {
        var reader = FieldReader(body)
        let draft = ProviderConfigDraft(&reader, canonicalProvider)
        var value: String?
        reader.string("secret", lengths: 1...SecretSealer.maximumValue, into: &value)
        let checked = value.flatMap { check($0, &reader) }
        var secretID: String?
        reader.string("secret_id", lengths: 0...64, into: &secretID)
        if secretID == "" { secretID = nil }
        // A value that comes along makes a secret of its own, whatever else is named.
        try reader.finish()

        let config = draft.config(id: try SecretSealer.identifier(), of: gateway, in: account, now: now)
        let name = config.secretName
        let source: SecretSource
        if let checked {
            let id = SecretID(try SecretSealer.identifier())
            let text = try sealer.seal(checked, id: id, of: account)
            source = .value(NewSecret(id: id, name: name, scopes: ["ai_gateway"], text: text))
        } else if let secretID {
            source = .existing(SecretID(secretID))
        } else {
            source = .named(name)
        }
        let store = StoreID(try SecretSealer.identifier())
        return try await storing {
            do {
                return try await configs.insert(config, secret: source, newStore: store)
            } catch let refusal as ProviderConfigRefusal {
                throw ControlError(refusal, name: name)
            }
        }
    }

    /// Gives a provider config's secret a new value, and a new secret where the old one was deleted.
    package func rotate(
        _ id: String, of gateway: GatewayID, in account: AccountID, _ body: JSONValue
    ) async throws(ControlError) -> ConfigurationWrite<ProviderConfig> {
        var reader = FieldReader(body)
        let value = reader.requiredString("secret", lengths: 1...SecretSealer.maximumValue)
        let checked = value.isEmpty ? nil : check(value, &reader)
        try reader.finish()
        guard let checked else { throw .internalFailure("a secret without a problem and without a value") }
        let newSecret = SecretID(try SecretSealer.identifier())
        let newStore = StoreID(try SecretSealer.identifier())
        let written = try await storing {
            do {
                return try await configs.rotate(
                    id, of: gateway, in: account, newSecret: newSecret, newStore: newStore
                ) { try sealer.seal(checked, id: $0, of: account) }
            } catch let refusal as ProviderConfigRefusal {
                throw ControlError(refusal, name: "of this provider config")
            }
        }
        guard let written else { throw .notFound }
        return written
    }

    package func delete(
        _ id: String, of gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<ProviderConfig> {
        let written = try await storing { try await configs.delete(id, of: gateway, in: account) }
        guard let config = written.value else { throw .notFound }
        return ConfigurationWrite(value: config, version: written.version)
    }

    /// The value of `secret`; nil, with a note in the reader, when it cannot be one.
    private func check(_ value: String, _ reader: inout FieldReader) -> SecretSealer.Checked? {
        do throws(SecretSealer.Problem) { return try sealer.check(value) } catch {
            switch error {
            case .empty: reader.report("secret", "Secret is empty")
            case .tooLong: reader.report("secret", "Secret is too long")
            case .reference(let advice): reader.report("secret", advice)
            }
            return nil
        }
    }
}

extension ControlError {
    init(_ refusal: ProviderConfigRefusal, name: String) {
        self =
            switch refusal {
            case .noSuchGateway: .notFound
            case .noSuchStore:
                .invalid([FieldProblem(["body", "secret"], "The gateway's secrets store was not found")])
            case .noSuchSecret:
                .invalid([FieldProblem(["body", "secret_id"], "Secret \(name) was not found")])
            case .taken:
                .invalid([FieldProblem(["body", "alias"], "Provider config \(name) already exists")])
            }
    }
}
