import ControlPlane
import GatewayCore

/// The forms of gateways in the API's description (control-plane.md §3.2, §3.3).
enum GatewaySchema {
    static let gateway = Schema.all(
        .object([
            "id": .string, "account_id": .string, "account_tag": .string, "is_default": .boolean,
            "created_at": .time, "modified_at": .time,
        ]),
        .object([
            "cache_invalidate_on_update": .boolean, "cache_ttl": Schema.integer.orNull, "collect_logs": .boolean,
            "rate_limiting_interval": Schema.integer.orNull, "rate_limiting_limit": Schema.integer.orNull,
            "rate_limiting_technique": technique.orNull, "authentication": .boolean, "byok_only": .boolean,
            "dlp": Schema.object.orNull, "guardrails": Schema.object.orNull, "log_classification": .boolean,
            "log_management": Schema.integer.orNull, "log_management_strategy": strategy.orNull,
            "logpush": .boolean, "logpush_public_key": Schema.string.orNull,
            "otel": Schema.array(of: .object).orNull, "retry_backoff": backoff.orNull,
            "retry_delay": Schema.integer.orNull, "retry_max_attempts": Schema.integer.orNull,
            "spend_limits": Schema.object.orNull, "store_id": Schema.string.orNull,
            "stream_idle_timeout": Schema.integer.orNull, "stripe": Schema.object.orNull,
            "workers_ai_billing_mode": billing, "zdr": .boolean,
        ])
    ).named("Gateway")

    static func creation(_ limits: ProductLimits) -> Schema {
        Schema.all(.object(["id": id]), required, optional(limits)).named("GatewayCreation")
    }

    static func change(_ limits: ProductLimits) -> Schema {
        Schema.all(required, optional(limits)).named("GatewayChange")
    }

    private static let id = Schema.string(1...64, pattern: "^[a-z0-9_]+(-[a-z0-9_]+)*$")
    private static let technique = Schema.words(["fixed", "sliding"])
    private static let backoff = Schema.words(["constant", "linear", "exponential"])
    private static let strategy = Schema.words(["STOP_INSERTING", "DELETE_OLDEST"])
    private static let billing = Schema.words(["postpaid", "unified"])
    private static let count = Schema.integer(0...Int(Int32.max)).orNull
    private static let action = Schema.words(["BLOCK", "FLAG"])

    private static let required = Schema.object([
        "cache_invalidate_on_update": .boolean, "cache_ttl": count, "collect_logs": .boolean,
        "rate_limiting_interval": count, "rate_limiting_limit": Schema.integer(0...1_000_000).orNull,
    ])

    private static func optional(_ limits: ProductLimits) -> Schema {
        Schema.object([
            "rate_limiting_technique?": technique.orNull, "authentication?": .boolean, "byok_only?": .boolean,
            "log_management?": Schema.integer(
                GatewayDraft.leastRows...max(GatewayDraft.leastRows, limits.logRowsPerGateway)
            ).orNull,
            "log_management_strategy?": strategy.orNull, "log_classification?": .boolean, "logpush?": .boolean,
            "logpush_public_key?": Schema.string(16...1024).orNull,
            "retry_max_attempts?": Schema.integer(1...max(1, limits.retryAttempts)).orNull,
            "retry_delay?": Schema.integer(0...max(0, limits.retryDelay)).orNull, "retry_backoff?": backoff.orNull,
            "store_id?": Schema.string(0...64).orNull, "workers_ai_billing_mode?": billing, "zdr?": .boolean,
            "stream_idle_timeout?": Schema.integer(GatewayDraft.streamIdleBounds).orNull, "dlp?": dlp.orNull,
            "guardrails?": guardrails.orNull, "otel?": Schema.array(of: otel, counts: 0...10).orNull,
            "spend_limits?": spendLimits.orNull, "stripe?": stripe.orNull,
        ])
    }

    private static let dlp = Schema.either(
        .object(["enabled": .boolean, "action": action, "profiles": .array(of: .string)]),
        .object([
            "enabled": .boolean,
            "policies": .array(
                of: .object([
                    "id": .string(1...256), "enabled": .boolean, "action": action,
                    "check": .array(of: .words(["REQUEST", "RESPONSE"])), "profiles": .array(of: .string),
                ])
            ),
        ])
    )

    private static let categories = Schema.map(of: action)
    private static let guardrails = Schema.object(["prompt": categories, "response": categories])

    private static let otel = Schema.object([
        "url": .string(8...2048, pattern: "^https?://[a-z0-9.-]+/?$"), "headers": .map(of: .string(0...8192)),
        "authorization?": Schema.string(0...256).orNull, "content_type?": .words(["json", "protobuf"]),
    ])

    private static let dimension = Schema.object([
        "mode": .words(["filter", "partition"]), "values": .array(of: .string),
    ])

    private static let spendLimits = Schema.object([
        "enabled?": .boolean,
        "rules?": .array(
            of: .object([
                "id?": .string(1...256), "enabled?": .boolean, "limit": .integer(1...1_000_000),
                "limitType": .constant("cost"), "window": .integer(1...Int(Int32.max)),
                "technique?": technique, "metadata?": .map(of: dimension), "model?": dimension,
                "provider?": dimension,
            ]), counts: 0...20
        ),
    ])

    private static let stripe = Schema.object([
        "authorization": .string(1...256),
        "usage_events": .array(of: .object(["payload": .string(1...65_536)])),
    ])
}
