import ControlPlane
import GatewayCore
import PostgresStore

extension Gateway {
    /// The gateway object on the wire (control-plane.md §3.4 · documented).
    var document: JSONValue {
        let members: [(String, JSONValue)] = [
            ("id", .string(id.rawValue)),
            ("account_id", .string(account.rawValue)),
            ("account_tag", .string(account.rawValue)),
            ("cache_invalidate_on_update", .bool(settings.cacheInvalidateOnUpdate)),
            ("cache_ttl", JSONValue(settings.cacheTTL)),
            ("collect_logs", .bool(settings.collectLogs)),
            ("rate_limiting_interval", JSONValue(settings.rateLimitingInterval)),
            ("rate_limiting_limit", JSONValue(settings.rateLimitingLimit)),
            ("rate_limiting_technique", JSONValue(settings.rateLimitingTechnique?.rawValue)),
            ("authentication", .bool(settings.authentication)),
            ("byok_only", .bool(settings.byokOnly)),
            ("dlp", Self.structure(settings.dlp)),
            ("guardrails", Self.structure(settings.guardrails)),
            ("is_default", .bool(id == .default)),
            ("log_classification", .bool(settings.logClassification)),
            ("log_management", JSONValue(settings.logManagement)),
            ("log_management_strategy", JSONValue(settings.logManagementStrategy)),
            ("logpush", .bool(settings.logpush)),
            ("logpush_public_key", JSONValue(settings.logpushPublicKey)),
            ("otel", Self.structure(settings.otel)),
            ("retry_backoff", JSONValue(settings.retryBackoff?.rawValue)),
            ("retry_delay", JSONValue(settings.retryDelay)),
            ("retry_max_attempts", JSONValue(settings.retryMaxAttempts)),
            ("spend_limits", Self.structure(settings.spendLimits)),
            ("store_id", JSONValue(settings.storeID)),
            ("stream_idle_timeout", JSONValue(settings.streamIdleTimeout)),
            ("stripe", Self.structure(settings.stripe)),
            ("workers_ai_billing_mode", .string(settings.workersAIBillingMode)),
            ("zdr", .bool(settings.zdr)),
            ("created_at", .string(Timestamp.text(createdAt))),
            ("modified_at", .string(Timestamp.text(modifiedAt))),
        ]
        return .object(members.map { JSONValue.Member($0.0, $0.1) })
    }

    private static func structure(_ text: String?) -> JSONValue {
        guard let text, let value = try? JSONValue(parsing: text) else { return .null }
        return value
    }
}
