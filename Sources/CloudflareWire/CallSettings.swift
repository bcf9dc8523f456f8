package import GatewayCore

/// What is in force for one call of a provider: the step's, the request's and the gateway's settings, merged.
///
/// - Source: data-plane §2.1 "Precedence" · documented
package struct CallSettings: Sendable, Equatable {
    package var cache: CacheUse
    /// Until the first part of the answer; nil: none.
    package var timeout: Duration?
    /// Tries, the first one included.
    package var attempts: Int
    package var retryDelay: Duration
    package var backoff: RetryBackoff
    package var byokAlias: KeyAlias?
    package var collectLog: Bool
    /// Counts only where `collectLog` is on.
    package var collectLogPayload: Bool
    /// A JSON object in text form.
    package var metadata: String?
    package var customCost: CustomCost?
    /// Nil: one is to be generated.
    package var eventID: String?
    /// Whether the operator's own provider credentials must not be used.
    package var forbidsWholesale: Bool
    package var zdr: Bool
    /// 32 hexadecimal digits; nil: one is to be generated.
    package var traceID: String?
    /// 16 hexadecimal digits.
    package var parentSpanID: String?

    /// The wait between tries where nobody chose one · assumed.
    package static let defaultRetryDelay = Duration.milliseconds(500)

    /// What a request gets that asks for nothing.
    package init(_ gateway: GatewayPlan, within bounds: SettingBounds = .standard) {
        cache = CacheUse(
            gatewaySeconds: gateway.cacheTTLSeconds, header: nil, customKey: nil, lookup: .read, within: bounds
        )
        attempts = gateway.retryMaxAttempts.map { SettingValue.attempts($0, bounds) } ?? 1
        retryDelay =
            gateway.retryDelayMilliseconds.map { SettingValue.retryDelay($0, bounds) } ?? Self.defaultRetryDelay
        backoff = gateway.retryBackoff ?? .constant
        collectLog = gateway.collectLogs
        collectLogPayload = true
        forbidsWholesale = gateway.byokOnly
        zdr = gateway.zeroDataRetention
    }

    /// Merges setting by setting: a step's `config` before its headers, those before the request's, and the gateway last.
    ///
    /// What only restricts adds up instead: no level can relax what another one forbids.
    package static func resolve(
        step: StepSettings?, request: Directives, gateway: GatewayPlan, within bounds: SettingBounds = .standard
    ) -> CallSettings {
        var settings = CallSettings(gateway, within: bounds)
        let headers = step.flatMap { $0.headers.hasSettings ? $0.headers : nil }
        if request.hasSettings { settings.override(by: request) }
        if let headers { settings.override(by: headers) }
        if let config = step?.config { settings.override(by: config) }
        if request.hasSettings || headers != nil {
            settings.cache = CacheUse(
                gatewaySeconds: gateway.cacheTTLSeconds, header: headers?.cacheTTL ?? request.cacheTTL,
                customKey: headers?.cacheKey ?? request.cacheKey,
                lookup: headers?.skipCache ?? request.skipCache ?? false ? .skip : .read, within: bounds
            )
        }
        return settings
    }

    private mutating func override(by directives: Directives) {
        timeout = directives.requestTimeout ?? timeout
        attempts = directives.maxAttempts ?? attempts
        retryDelay = directives.retryDelay ?? retryDelay
        backoff = directives.backoff ?? backoff
        byokAlias = directives.byokAlias ?? byokAlias
        collectLog = directives.collectLog ?? collectLog
        collectLogPayload = directives.collectLogPayload ?? collectLogPayload
        metadata = directives.metadata ?? metadata
        customCost = directives.customCost ?? customCost
        eventID = directives.eventID ?? eventID
        forbidsWholesale = forbidsWholesale || directives.noWholesale == true
        zdr = directives.zdr ?? zdr
        traceID = directives.traceID ?? traceID
        parentSpanID = directives.parentSpanID ?? parentSpanID
    }

    private mutating func override(by config: StepConfig) {
        timeout = config.requestTimeout ?? timeout
        attempts = config.maxAttempts ?? attempts
        retryDelay = config.retryDelay ?? retryDelay
        backoff = config.backoff ?? backoff
    }
}
