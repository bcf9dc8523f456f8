package import GatewayCore

/// A gateway as it is stored: every setting of the management API's gateway object (control-plane.md §3.2).
package struct Gateway: Sendable, Equatable {
    package var account: AccountID
    package var id: GatewayID
    package var settings: GatewaySettings
    /// Part of every cache key; raised when stored answers must be forgotten.
    package var cacheEpoch: Int
    package var createdAt: Instant
    package var modifiedAt: Instant

    package init(
        account: AccountID, id: GatewayID, settings: GatewaySettings, cacheEpoch: Int = 0,
        createdAt: Instant, modifiedAt: Instant
    ) {
        self.account = account
        self.id = id
        self.settings = settings
        self.cacheEpoch = cacheEpoch
        self.createdAt = createdAt
        self.modifiedAt = modifiedAt
    }
}

/// What may be set on a gateway; nil is the wire's null.
package struct GatewaySettings: Sendable, Equatable {
    package var cacheInvalidateOnUpdate: Bool
    /// Seconds; nil or 0: caching off.
    package var cacheTTL: Int?
    package var collectLogs: Bool
    /// Seconds; nil or 0: no rate limit.
    package var rateLimitingInterval: Int?
    /// Requests per interval; nil or 0: no rate limit.
    package var rateLimitingLimit: Int?
    package var rateLimitingTechnique: RateLimitTechnique?
    package var authentication = false
    package var byokOnly = false
    /// Rows that the gateway's log may hold.
    package var logManagement: Int? = 100_000
    /// `STOP_INSERTING` or `DELETE_OLDEST`.
    package var logManagementStrategy: String? = "STOP_INSERTING"
    package var logClassification = false
    package var logpush = false
    package var logpushPublicKey: String?
    package var retryMaxAttempts: Int?
    /// Milliseconds.
    package var retryDelay: Int?
    package var retryBackoff: RetryBackoff?
    /// JSON text, as are the four that follow.
    package var dlp: String?
    package var guardrails: String?
    package var otel: String?
    package var spendLimits: String?
    package var stripe: String?
    /// The secrets store of this gateway's provider keys; empty or nil: the account's default store.
    package var storeID: String? = ""
    /// `postpaid` or `unified`.
    package var workersAIBillingMode = "postpaid"
    package var zdr = false
    /// Milliseconds; nil: streams are cut as late as other answers.
    package var streamIdleTimeout: Int?

    package init(
        cacheInvalidateOnUpdate: Bool, cacheTTL: Int?, collectLogs: Bool, rateLimitingInterval: Int?,
        rateLimitingLimit: Int?, rateLimitingTechnique: RateLimitTechnique? = .fixed
    ) {
        self.cacheInvalidateOnUpdate = cacheInvalidateOnUpdate
        self.cacheTTL = cacheTTL
        self.collectLogs = collectLogs
        self.rateLimitingInterval = rateLimitingInterval
        self.rateLimitingLimit = rateLimitingLimit
        self.rateLimitingTechnique = rateLimitingTechnique
    }
}
