/// Everything the data plane knows of accounts, gateways, tokens and keys: immutable, versioned, swapped whole.
///
/// Compiled by control from the database; a worker reads it once per request and never writes it.
package struct ConfigSnapshot: Sendable, Equatable {
    /// Grows with every change; `cf-aig-snapshot` of a management write names the version that contains it.
    package var version: UInt64
    package var accounts: [AccountID]
    package var gateways: [GatewayPlan]
    package var tokens: [TokenGrant]
    package var providerKeys: [ProviderKey]
    package var secrets: [SealedSecret]
    package var customProviders: [CustomProviderPlan]

    package init(version: UInt64 = 0) {
        self.version = version
        accounts = []
        gateways = []
        tokens = []
        providerKeys = []
        secrets = []
        customProviders = []
    }
}

/// One gateway's settings, as far as the data plane acts on them (control-plane.md §3.2).
package struct GatewayPlan: Sendable, Equatable {
    package var account: AccountID
    package var id: GatewayID
    /// Whether a request needs a gateway credential.
    package var authentication: Bool
    package var collectLogs: Bool
    /// Seconds; 0 turns caching off.
    package var cacheTTLSeconds: Int
    /// Part of every cache key; raised when entries must be forgotten.
    package var cacheEpoch: UInt64
    /// Requests per interval; 0 turns the limit off.
    package var rateLimit: Int
    package var rateLimitIntervalSeconds: Int
    package var rateLimitTechnique: RateLimitTechnique
    package var retryMaxAttempts: Int?
    package var retryDelayMilliseconds: Int?
    package var retryBackoff: RetryBackoff?
    package var byokOnly: Bool
    package var zeroDataRetention: Bool
    /// How long the provider of an event stream may be silent; nil: as long as that of any call.
    package var streamIdleTimeoutMilliseconds: Int?

    package init(account: AccountID, id: GatewayID) {
        self.account = account
        self.id = id
        authentication = false
        collectLogs = true
        cacheTTLSeconds = 0
        cacheEpoch = 0
        rateLimit = 0
        rateLimitIntervalSeconds = 0
        rateLimitTechnique = .fixed
        byokOnly = false
        zeroDataRetention = false
    }
}

/// How requests are counted against a limit (data-plane §4.2).
package enum RateLimitTechnique: String, Sendable, CaseIterable { case fixed, sliding }

/// How the wait between attempts grows (data-plane §4.4).
package enum RetryBackoff: String, Sendable, CaseIterable { case constant, linear, exponential }

/// A token's rights; the token itself is known only by its SHA-256.
package struct TokenGrant: Sendable, Equatable {
    package var id: TokenID
    /// SHA-256 of the token's UTF-8 text, 32 bytes.
    package var hash: [UInt8]
    package var account: AccountID
    package var permissions: Permissions
    /// When it starts to count; nil: it does.
    package var notBefore: Instant?
    package var expiresAt: Instant?

    package init(
        id: TokenID, hash: [UInt8], account: AccountID, permissions: Permissions, notBefore: Instant? = nil,
        expiresAt: Instant? = nil
    ) {
        self.id = id
        self.hash = hash
        self.account = account
        self.permissions = permissions
        self.notBefore = notBefore
        self.expiresAt = expiresAt
    }
}

/// A stored provider key of a gateway (a "provider config"): a reference to a secret, never its value.
package struct ProviderKey: Sendable, Equatable {
    package var account: AccountID
    package var gateway: GatewayID
    package var provider: ProviderID
    package var alias: KeyAlias
    /// Used when the request names no alias.
    package var isDefault: Bool
    package var secret: SecretID
    package var rateLimit: Int?
    package var rateLimitPeriodSeconds: Int?

    package init(
        account: AccountID, gateway: GatewayID, provider: ProviderID, alias: KeyAlias, isDefault: Bool,
        secret: SecretID
    ) {
        self.account = account
        self.gateway = gateway
        self.provider = provider
        self.alias = alias
        self.isDefault = isDefault
        self.secret = secret
    }
}

/// A secret as it is stored: ciphertext under a data key, which is itself wrapped by the master key.
package struct SealedSecret: Sendable, Equatable {
    package var id: SecretID
    package var account: AccountID
    package var name: String
    /// Produced and opened by `SecretVault` only.
    package var envelope: [UInt8]

    package init(id: SecretID, account: AccountID, name: String, envelope: [UInt8]) {
        self.id = id
        self.account = account
        self.name = name
        self.envelope = envelope
    }
}
