package import GatewayCore
package import PostgresStore
import Providers
package import SecretVault

/// What operators do with their own providers: list, create, get, change, delete (control-plane.md §8.1).
package struct CustomProviderAdministration: Sendable {
    private let providers: AccountProviderRepository
    private let vault: Vault
    private let egress: EgressRule

    /// - Parameter egress: `.anyAddress` when the operator allows private addresses, and plain HTTP to them.
    package init(_ pool: PostgresPool, vault: Vault, egress: EgressRule) {
        providers = AccountProviderRepository(pool)
        self.vault = vault
        self.egress = egress
    }

    package func list(
        of account: AccountID, _ selection: AccountProviderRepository.Selection, page: PageRequest
    ) async throws(ControlError) -> Page<AccountProvider> {
        try await storing { try await providers.list(account, selection, page: page) }
    }

    package func get(_ id: String, of account: AccountID) async throws(ControlError) -> AccountProvider {
        guard let provider = try await storing({ try await providers.find(id, of: account) }) else { throw .notFound }
        return provider
    }

    package func create(
        _ body: JSONValue, of account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<AccountProvider> {
        let draft = try CustomProviderDraft.creation(body, egress)
        return try await create(draft.settings, draft.headers, of: account)
    }

    /// Stores a provider whose settings were checked.
    func create(
        _ checked: AccountProviderSettings, _ headers: CustomProviderDraft.Headers, of account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<AccountProvider> {
        let id = try Identifier.uuid()
        var settings = checked
        try seal(headers, of: id, in: account, into: &settings)
        let complete = settings
        let written = try await storing { try await providers.insert(id, of: account, complete) }
        guard let provider = written.value else { throw Self.slugTaken }
        return ConfigurationWrite(value: provider, version: written.version)
    }

    package func update(
        _ id: String, of account: AccountID, _ body: JSONValue
    ) async throws(ControlError) -> ConfigurationWrite<AccountProvider> {
        try await replace(id, of: account) { current throws(ControlError) in
            let draft = try CustomProviderDraft.update(body, of: current, egress)
            return (draft.settings, draft.headers)
        }
    }

    /// Gives a provider the settings that `change` makes of those in force.
    func replace(
        _ id: String, of account: AccountID,
        _ change: (AccountProviderSettings) throws(ControlError) -> (
            AccountProviderSettings, CustomProviderDraft.Headers
        )
    ) async throws(ControlError) -> ConfigurationWrite<AccountProvider> {
        let written = try await storing {
            do {
                return try await providers.update(id, of: account, named: CustomProvider.id(ofSlug:)) { current in
                    let (checked, headers) = try change(current)
                    var settings = checked
                    try seal(headers, of: id, in: account, into: &settings)
                    return settings
                }
            } catch is AccountProviderRepository.SlugTaken {
                throw Self.slugTaken
            } catch is AccountProviderRepository.KeysStored {
                throw Self.keysStored
            }
        }
        guard let written else { throw .notFound }
        return written
    }

    /// Removes a provider, with the keys that gateways stored for it.
    package func delete(
        _ id: String, of account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<AccountProvider> {
        let written = try await storing {
            try await providers.delete(id, of: account, named: CustomProvider.id(ofSlug:))
        }
        guard let provider = written.value else { throw .notFound }
        return ConfigurationWrite(value: provider, version: written.version)
    }

    private func seal(
        _ headers: CustomProviderDraft.Headers, of id: String, in account: AccountID,
        into settings: inout AccountProviderSettings
    ) throws(ControlError) {
        switch headers {
        case .unchanged: break
        case .none: settings.headers = nil
        case .text(let text):
            let bytes = Array(text.reveal().utf8)
            do {
                settings.headers = SealedHeaders(
                    envelope: try vault.seal(Secret(bytes), account: account, secretID: SecretID(id)),
                    preview: CustomHeaders.masked(bytes)
                )
            } catch {
                throw .internalFailure("header fields could not be sealed")
            }
        }
    }

    private static var slugTaken: ControlError {
        .invalid([FieldProblem(["body", "slug"], "A custom provider with this slug already exists")])
    }

    private static var keysStored: ControlError {
        .invalid([FieldProblem(["body", "slug"], "Provider configs exist for this slug; delete them first")])
    }
}
