import GatewayCore
import PostgresStore

/// How objects look in a file of declarations: the members of the management API's objects, without what the server
/// makes of itself and without what is as it always is.
///
/// One form for both sides of a comparison and for what is written.
enum DeclarationForm {
    /// What a gateway's settings are when a file leaves them out.
    static let standardGateway = GatewaySettings(
        cacheInvalidateOnUpdate: true, cacheTTL: 0, collectLogs: true, rateLimitingInterval: 0, rateLimitingLimit: 0
    )
    /// Written whether or not they differ from the standard: what matters most, and what the API always asks for.
    private static let alwaysWritten: Set = [
        "authentication", "cache_invalidate_on_update", "cache_ttl", "collect_logs", "rate_limiting_interval",
        "rate_limiting_limit",
    ]

    /// Members of a gateway that are not settings of the API.
    static let gatewayMembers = ["id", "store", "provider_configs", "routes"]
    static let gatewaySettings = members(of: standardGateway).map(\.name) + ["store_id"]
    static let providerConfigMembers = [
        "provider_slug", "alias", "default_config", "secret", "store", "reference", "rate_limit", "rate_limit_period",
    ]
    static let routeMembers = ["name", "elements"]
    static let customProviderMembers =
        members(of: AccountProviderSettings(name: "", slug: "", baseURL: "")).map(\.name) + ["headers", "costs"]
    static let customCostMembers = members(of: CustomCostSettings(provider: "", model: "")).map(\.name)
    static let sections = ["version", "gateways", "custom_providers"]

    // MARK: Gateways

    /// - Parameter store: name of the gateway's store; nil: the default one, or one that does not exist.
    static func gateway(_ id: String, _ settings: GatewaySettings, store: String?) -> JSONValue {
        var written: [JSONValue.Member] = [.init("id", .string(id))]
        for (member, standard) in zip(members(of: settings), members(of: standardGateway))
        where alwaysWritten.contains(member.name) || member.value != standard.value {
            written.append(member)
        }
        if let store {
            written.append(.init("store", .string(store)))
        } else if let id = settings.storeID, !id.isEmpty {
            // A store that is gone has no name any more.
            written.append(.init("store_id", .string(id)))
        }
        return .object(written)
    }

    /// Every setting but the store, by name; `authentication` first, because it is asked for first.
    private static func members(of settings: GatewaySettings) -> [JSONValue.Member] {
        [
            .init("authentication", .bool(settings.authentication)),
            .init("byok_only", .bool(settings.byokOnly)),
            .init("cache_invalidate_on_update", .bool(settings.cacheInvalidateOnUpdate)),
            .init("cache_ttl", JSONValue(settings.cacheTTL)),
            .init("collect_logs", .bool(settings.collectLogs)),
            .init("dlp", structure(settings.dlp)),
            .init("guardrails", structure(settings.guardrails)),
            .init("log_classification", .bool(settings.logClassification)),
            .init("log_management", JSONValue(settings.logManagement)),
            .init("log_management_strategy", JSONValue(settings.logManagementStrategy)),
            .init("logpush", .bool(settings.logpush)),
            .init("logpush_public_key", JSONValue(settings.logpushPublicKey)),
            .init("otel", structure(settings.otel)),
            .init("rate_limiting_interval", JSONValue(settings.rateLimitingInterval)),
            .init("rate_limiting_limit", JSONValue(settings.rateLimitingLimit)),
            .init("rate_limiting_technique", JSONValue(settings.rateLimitingTechnique?.rawValue)),
            .init("retry_backoff", JSONValue(settings.retryBackoff?.rawValue)),
            .init("retry_delay", JSONValue(settings.retryDelay)),
            .init("retry_max_attempts", JSONValue(settings.retryMaxAttempts)),
            .init("spend_limits", structure(settings.spendLimits)),
            .init("stream_idle_timeout", JSONValue(settings.streamIdleTimeout)),
            .init("stripe", structure(settings.stripe)),
            .init("workers_ai_billing_mode", .string(settings.workersAIBillingMode)),
            .init("zdr", .bool(settings.zdr)),
        ]
    }

    private static func structure(_ text: String?) -> JSONValue {
        text.flatMap { try? JSONValue(parsing: $0) }?.settled ?? .null
    }

    // MARK: Provider configs and routes

    /// - Parameter key: members that say where the key comes from.
    static func providerConfig(
        provider: String, alias: String, isDefault: Bool, rateLimit: Int?, period: Int?, key: [JSONValue.Member]
    ) -> JSONValue {
        var written: [JSONValue.Member] = [
            .init("provider_slug", .string(provider)), .init("alias", .string(alias)),
            .init("default_config", .bool(isDefault)),
        ]
        written += key
        if let rateLimit { written.append(.init("rate_limit", JSONValue(rateLimit))) }
        if period != 60 { written.append(.init("rate_limit_period", JSONValue(period))) }
        return .object(written)
    }

    static func route(_ name: String, _ elements: [JSONValue]) -> JSONValue {
        [
            "name": .string(name),
            "elements": .array(
                elements.map { element in
                    guard case .object(let members) = element.settled else { return element }
                    let first = ["id", "type"]
                    return .object(
                        first.compactMap { name in members.first { $0.name == name } }
                            + members.filter { !first.contains($0.name) }
                    )
                }
            ),
        ]
    }

    // MARK: Custom providers

    /// - Parameter headers: the text of its headers, or what is shown of it.
    static func customProvider(_ settings: AccountProviderSettings, headers: String?) -> JSONValue {
        var written = members(of: settings).filter { !$0.value.isNull && !($0.name == "beta" && $0.value == false) }
        if let headers {
            let fields = try? JSONValue(parsing: headers)
            written.append(.init("headers", fields?.members == nil ? .string(headers) : fields?.settled ?? .null))
        }
        return .object(written)
    }

    private static func members(of settings: AccountProviderSettings) -> [JSONValue.Member] {
        [
            .init("slug", .string(settings.slug)),
            .init("name", .string(settings.name)),
            .init("base_url", .string(settings.baseURL)),
            .init("enable", .bool(settings.isEnabled)),
            .init("beta", .bool(settings.isBeta)),
            .init("description", JSONValue(settings.description)),
            .init("link", JSONValue(settings.link)),
            .init("curl_example", JSONValue(settings.curlExample)),
            .init("js_example", JSONValue(settings.jsExample)),
            .init("logo", JSONValue(settings.logo)),
            .init("position", JSONValue(settings.position)),
        ]
    }

    static func customCost(_ settings: CustomCostSettings) -> JSONValue {
        let standard = members(of: CustomCostSettings(provider: "", model: ""))
        return .object(
            zip(members(of: settings), standard).filter { member, standard in
                member.name == "model_rule" || member.value != standard.value
            }.map(\.0)
        )
    }

    private static func members(of settings: CustomCostSettings) -> [JSONValue.Member] {
        [
            .init("model", .string(settings.model)),
            .init("model_rule", .string(settings.modelRule.rawValue)),
            .init("cost_in", settings.costIn.map { JSONValue.number($0).settled } ?? .null),
            .init("cost_out", settings.costOut.map { JSONValue.number($0).settled } ?? .null),
            .init("cost_type", .string(settings.costType)),
            .init("token_pricing", structure(settings.tokenPricing)),
            .init("enable", .bool(settings.isEnabled)),
            .init("weight", JSONValue(settings.weight)),
            .init("changed_by", .string(settings.changedBy)),
        ]
    }
}
