/// Request headers that the gateway reads, in lower case (data-plane §2.1 · documented).
package enum RequestHeaderName {
    /// What every gateway header begins with.
    package static let prefix: StaticString = "cf-aig-"
    package static let authorization: StaticString = "cf-aig-authorization"
    package static let byokAlias: StaticString = "cf-aig-byok-alias"
    package static let requestTimeout: StaticString = "cf-aig-request-timeout"
    package static let collectLog: StaticString = "cf-aig-collect-log"
    package static let collectLogPayload: StaticString = "cf-aig-collect-log-payload"
    package static let metadata: StaticString = "cf-aig-metadata"
    package static let customCost: StaticString = "cf-aig-custom-cost"
    package static let eventID: StaticString = "cf-aig-event-id"
    package static let noWholesale: StaticString = "cf-aig-no-wholesale"
    package static let zeroDataRetention: StaticString = "cf-aig-zdr"
    package static let cacheTTL: StaticString = "cf-aig-cache-ttl"
    package static let skipCache: StaticString = "cf-aig-skip-cache"
    package static let cacheKey: StaticString = "cf-aig-cache-key"
    package static let maxAttempts: StaticString = "cf-aig-max-attempts"
    package static let retryDelay: StaticString = "cf-aig-retry-delay"
    package static let backoff: StaticString = "cf-aig-backoff"
    package static let traceID: StaticString = "cf-aig-otel-trace-id"
    package static let parentSpanID: StaticString = "cf-aig-otel-parent-span-id"
    /// Deprecated form of `cacheTTL`, which wins over it.
    package static let deprecatedCacheTTL: StaticString = "cf-cache-ttl"
    /// Deprecated form of `skipCache`, which wins over it.
    package static let deprecatedSkipCache: StaticString = "cf-skip-cache"
}

/// Response headers that the gateway adds (data-plane §2.2 · documented and observed).
package enum ResponseHeaderName {
    package static let cacheStatus: StaticString = "cf-aig-cache-status"
    package static let logID: StaticString = "cf-aig-log-id"
    package static let eventID: StaticString = "cf-aig-event-id"
    package static let requestID: StaticString = "cf-aig-request-id"
    package static let step: StaticString = "cf-aig-step"
    /// On answers to management writes: the snapshot version that contains the write (decisions 21 · ours).
    package static let snapshot: StaticString = "cf-aig-snapshot"
}
