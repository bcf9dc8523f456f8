package import GatewayCore
package import PostgresStore

/// A gateway object as a client sent it, checked against control-plane.md §3.2 and §3.3.
///
/// - Source: control-plane §3.2 · documented; "omitted = unchanged, null = cleared" is assumed.
package enum GatewayDraft {
    /// Fewest rows that a log may be told to hold.
    package static let leastRows = 10_000
    /// Milliseconds; the upper bound is what every provider connection has.
    package static let streamIdleBounds = 1_000...600_000
    /// Most requests that a sliding window counts: each of them is remembered until it leaves the window.
    package static let largestSlidingLimit = 1_000_000

    enum LogStrategy: String, CaseIterable { case stop = "STOP_INSERTING", deleteOldest = "DELETE_OLDEST" }
    enum BillingMode: String, CaseIterable { case postpaid, unified }

    /// Reads the body of a create call.
    ///
    /// - Parameter egress: where exporters may be.
    package static func creation(
        _ body: JSONValue, limits: ProductLimits = ProductLimits(), egress: EgressRule = .publicAddressesOnly
    ) throws(ControlError) -> (GatewayID, GatewaySettings) {
        var reader = FieldReader(body)
        let id = GatewayID(reader.requiredString("id", lengths: 1...64))
        if !id.rawValue.isEmpty, !id.isWellFormed { reader.report("id", "Invalid gateway id") }
        var settings = GatewaySettings(
            cacheInvalidateOnUpdate: false, cacheTTL: nil, collectLogs: true, rateLimitingInterval: nil,
            rateLimitingLimit: nil
        )
        apply(&reader, to: &settings, limits, egress)
        try reader.finish()
        return (id, settings)
    }

    /// Applies the body of an update call to the settings in force.
    package static func update(
        _ body: JSONValue, of current: GatewaySettings, limits: ProductLimits = ProductLimits(),
        egress: EgressRule = .publicAddressesOnly
    ) throws(ControlError) -> GatewaySettings {
        var reader = FieldReader(body)
        var settings = current
        apply(&reader, to: &settings, limits, egress)
        try reader.finish()
        return settings
    }

    private static func apply(
        _ reader: inout FieldReader, to settings: inout GatewaySettings, _ limits: ProductLimits, _ egress: EgressRule
    ) {
        let counts = 0...Int(Int32.max)
        reader.bool("cache_invalidate_on_update", .required, into: &settings.cacheInvalidateOnUpdate)
        reader.integer("cache_ttl", .required, in: counts, into: &settings.cacheTTL)
        reader.bool("collect_logs", .required, into: &settings.collectLogs)
        reader.integer("rate_limiting_interval", .required, in: counts, into: &settings.rateLimitingInterval)
        reader.integer("rate_limiting_limit", .required, in: counts, into: &settings.rateLimitingLimit)
        reader.choice("rate_limiting_technique", into: &settings.rateLimitingTechnique)
        if settings.rateLimitingTechnique == .sliding, settings.rateLimitingLimit ?? 0 > largestSlidingLimit {
            reader.report(
                "rate_limiting_limit",
                "Number must be less than or equal to \(largestSlidingLimit) for a sliding window"
            )
        }
        reader.bool("authentication", into: &settings.authentication)
        reader.bool("byok_only", into: &settings.byokOnly)
        reader.integer(
            "log_management", in: leastRows...max(leastRows, limits.logRowsPerGateway), into: &settings.logManagement)
        var strategy = settings.logManagementStrategy.flatMap(LogStrategy.init(rawValue:))
        reader.choice("log_management_strategy", into: &strategy)
        settings.logManagementStrategy = strategy?.rawValue
        reader.bool("log_classification", into: &settings.logClassification)
        reader.bool("logpush", into: &settings.logpush)
        reader.string("logpush_public_key", lengths: 16...1024, into: &settings.logpushPublicKey)
        reader.integer("retry_max_attempts", in: 1...max(1, limits.retryAttempts), into: &settings.retryMaxAttempts)
        reader.integer("retry_delay", in: 0...max(0, limits.retryDelay), into: &settings.retryDelay)
        reader.choice("retry_backoff", into: &settings.retryBackoff)
        reader.string("store_id", lengths: 0...64, into: &settings.storeID)
        var billing = BillingMode(rawValue: settings.workersAIBillingMode)
        reader.choice("workers_ai_billing_mode", into: &billing)
        settings.workersAIBillingMode = (billing ?? .postpaid).rawValue
        reader.bool("zdr", into: &settings.zdr)
        reader.integer("stream_idle_timeout", in: streamIdleBounds, into: &settings.streamIdleTimeout)
        reader.structure("dlp", into: &settings.dlp, check: GatewayStructures.dlp)
        reader.structure("guardrails", into: &settings.guardrails, check: GatewayStructures.guardrails)
        reader.structure("otel", into: &settings.otel) { GatewayStructures.otel($0, &$1, egress: egress) }
        reader.structure("spend_limits", into: &settings.spendLimits) {
            GatewayStructures.spendLimits($0, &$1, most: limits.spendRulesPerGateway)
        }
        reader.structure("stripe", into: &settings.stripe, check: GatewayStructures.stripe)
    }
}

extension FieldReader {
    /// A member with a form of its own: checked, completed with defaults and kept as JSON text.
    fileprivate mutating func structure(
        _ name: String, into target: inout String?, check: (JSONValue, inout FieldReader) -> JSONValue
    ) {
        guard let value = member(name) else { return }
        if value.isNull { return target = nil }
        var nested = FieldReader(.object([]), path: path + [name])
        let completed = check(value, &nested)
        adopt(nested)
        target = completed.encoded
    }
}
