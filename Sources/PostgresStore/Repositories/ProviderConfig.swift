package import GatewayCore

/// A stored provider key of a gateway: a reference to a secret, never its value (control-plane.md §7).
package struct ProviderConfig: Sendable, Equatable {
    package var id: String
    package var account: AccountID
    package var gateway: GatewayID
    package var provider: ProviderID
    package var alias: KeyAlias
    package var isDefault: Bool
    package var secret: SecretID
    /// A masked tail of the value.
    package var secretPreview: String
    package var rateLimit: Int?
    package var rateLimitPeriodSeconds: Int?
    package var modifiedAt: Instant

    package init(
        id: String, account: AccountID, gateway: GatewayID, provider: ProviderID, alias: KeyAlias, isDefault: Bool,
        secret: SecretID, secretPreview: String, rateLimit: Int?, rateLimitPeriodSeconds: Int?, modifiedAt: Instant
    ) {
        self.id = id
        self.account = account
        self.gateway = gateway
        self.provider = provider
        self.alias = alias
        self.isDefault = isDefault
        self.secret = secret
        self.secretPreview = secretPreview
        self.rateLimit = rateLimit
        self.rateLimitPeriodSeconds = rateLimitPeriodSeconds
        self.modifiedAt = modifiedAt
    }

    /// What a secret is called that belongs to this config alone (control-plane.md §7 · observed).
    package var secretName: String { [gateway.rawValue, provider.rawValue, alias.rawValue].joined(separator: "_") }
}

/// Where the secret of a new provider config comes from.
package enum SecretSource: Sendable {
    /// A value that came with the call, sealed.
    case value(NewSecret)
    /// A secret that exists.
    case existing(SecretID)
    /// The secret of this name in the gateway's store.
    case named(String)
}

/// Why a provider config was not stored.
package enum ProviderConfigRefusal: Error, Sendable, Equatable {
    case noSuchGateway
    case noSuchStore
    case noSuchSecret
    case taken
}
