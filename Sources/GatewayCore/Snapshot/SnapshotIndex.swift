/// A snapshot arranged for the questions that a request asks of it.
package final class SnapshotIndex: Sendable {
    private struct GatewayKey: Hashable {
        var account: AccountID
        var gateway: GatewayID
    }
    private struct ProviderSlot: Hashable {
        var account: AccountID
        var gateway: GatewayID
        var provider: ProviderID
    }

    private struct NameSlot: Hashable {
        var account: AccountID
        var name: String
    }

    package let version: UInt64
    private let accounts: Set<AccountID>
    private let gateways: [GatewayKey: GatewayPlan]
    private let tokens: [[UInt8]: TokenGrant]
    private let keys: [ProviderSlot: [ProviderKey]]
    private let secrets: [SecretID: SealedSecret]
    private let secretsByName: [NameSlot: SecretID]
    private let customProviders: [NameSlot: CustomProviderPlan]

    package init(_ snapshot: ConfigSnapshot) {
        version = snapshot.version
        accounts = Set(snapshot.accounts)
        gateways = Dictionary(
            snapshot.gateways.map { (GatewayKey(account: $0.account, gateway: $0.id), $0) },
            uniquingKeysWith: { _, last in last }
        )
        tokens = Dictionary(snapshot.tokens.map { ($0.hash, $0) }, uniquingKeysWith: { _, last in last })
        keys = Dictionary(grouping: snapshot.providerKeys) {
            ProviderSlot(account: $0.account, gateway: $0.gateway, provider: $0.provider)
        }
        secrets = Dictionary(snapshot.secrets.map { ($0.id, $0) }, uniquingKeysWith: { _, last in last })
        secretsByName = Dictionary(
            // A secret without a name belongs to one provider key and is used by that alone.
            snapshot.secrets.lazy.filter { !$0.name.isEmpty }
                .map { (NameSlot(account: $0.account, name: $0.name), $0.id) },
            uniquingKeysWith: { first, _ in first }
        )
        customProviders = Dictionary(
            snapshot.customProviders.map { (NameSlot(account: $0.account, name: $0.slug), $0) },
            uniquingKeysWith: { _, last in last }
        )
    }

    package func knows(_ account: AccountID) -> Bool { accounts.contains(account) }

    package func gateway(_ id: GatewayID, of account: AccountID) -> GatewayPlan? {
        gateways[GatewayKey(account: account, gateway: id)]
    }

    /// The grant of the token whose SHA-256 is `hash`, expired or not.
    package func grant(hash: [UInt8]) -> TokenGrant? { tokens[hash] }

    /// All stored keys of one provider in one gateway.
    package func keys(for provider: ProviderID, of gateway: GatewayID, in account: AccountID) -> [ProviderKey] {
        keys[ProviderSlot(account: account, gateway: gateway, provider: provider)] ?? []
    }

    package func secret(_ id: SecretID) -> SealedSecret? { secrets[id] }

    /// Whether there is any secret that a request could call by its name.
    package var hasSecrets: Bool { !secretsByName.isEmpty }

    /// The secret of that name in the account (data-plane §3.3, reference names).
    package func secret(named name: String, of account: AccountID) -> SealedSecret? {
        secretsByName.isEmpty ? nil : secretsByName[NameSlot(account: account, name: name)].flatMap { secrets[$0] }
    }

    /// The account's own provider of that slug, enabled or not.
    package func customProvider(_ slug: String, of account: AccountID) -> CustomProviderPlan? {
        customProviders[NameSlot(account: account, name: slug)]
    }
}
