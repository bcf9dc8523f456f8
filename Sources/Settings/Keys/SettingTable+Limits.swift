package import GatewayCore

/// A setting below `limits.`, and what of `ProductLimits` it sets.
package struct LimitSetting: Sendable {
    package var key: SettingKey
    package var path: any WritableKeyPath<ProductLimits, Int> & Sendable
    /// What the text stands for, in the unit of `ProductLimits`; nil when it is not accepted.
    let value: @Sendable (String) -> Int?
    /// Of sizes and durations: what is accepted, in that unit, and in the operator's words.
    let range: ClosedRange<Int>
    let span: String

    /// A count.
    fileprivate static func count(
        _ name: String, _ range: ClosedRange<Int>, _ standard: Int, _ summary: String,
        _ path: any WritableKeyPath<ProductLimits, Int> & Sendable
    ) -> LimitSetting {
        LimitSetting(
            key: SettingKey("limits." + name, .number(range), String(standard), summary), path: path,
            value: { Int($0) }, range: range, span: "\(range.lowerBound) to \(range.upperBound)"
        )
    }

    /// Bytes.
    fileprivate static func size(
        _ name: String, _ span: (String, String), _ standard: String, _ summary: String,
        _ path: any WritableKeyPath<ProductLimits, Int> & Sendable
    ) -> LimitSetting {
        LimitSetting(
            key: SettingKey("limits." + name, .size, standard, summary), path: path, value: SizeText.bytes,
            range: (SizeText.bytes(span.0) ?? 0)...(SizeText.bytes(span.1) ?? .max), span: "\(span.0) to \(span.1)"
        )
    }

    /// - Parameter unit: of `ProductLimits`.
    fileprivate static func duration(
        _ name: String, _ span: (String, String), _ standard: String, in unit: Duration, _ summary: String,
        _ path: any WritableKeyPath<ProductLimits, Int> & Sendable
    ) -> LimitSetting {
        @Sendable func units(_ text: String) -> Int? { DurationText.duration(text).map { Int($0 / unit) } }
        return LimitSetting(
            key: SettingKey("limits." + name, .duration, standard, summary), path: path, value: units,
            range: (units(span.0) ?? 0)...(units(span.1) ?? .max), span: "\(span.0) to \(span.1)"
        )
    }
}

extension SettingTable {
    /// Limits of the product itself (control-plane §18 · documented; decisions 19), in the order of the manual.
    package static let limits: [LimitSetting] = [
        .count(
            "gateways_per_account", 1...1_000_000, 1000, "Gateways an account may have.", \.gatewaysPerAccount),
        .count(
            "dynamic_routes_per_gateway", 1...1_000_000, 1000, "Dynamic routes a gateway may have.",
            \.dynamicRoutesPerGateway),
        .count(
            "percentage_branches", 1...100, 5, "Percentages of one element of a dynamic route, beside else.",
            \.percentageBranches),
        .count(
            "spend_rules_per_gateway", 1...1000, 20, "Rules in a gateway's spend limits.", \.spendRulesPerGateway),
        .count(
            "datasets_per_evaluation", 1...100, 5, "Datasets that one evaluation may be over.",
            \.datasetsPerEvaluation),
        .count(
            "secret_stores_per_account", 1...1_000_000, 100, "Stores of secrets an account may have.",
            \.secretStoresPerAccount),
        .count("secrets_per_account", 1...1_000_000, 1000, "Secrets an account may have.", \.secretsPerAccount),
        .count("tokens_per_account", 1...1_000_000, 500, "API tokens an account may have.", \.tokensPerAccount),
        .count(
            "api_requests_per_5_minutes", 0...1_000_000_000, 0,
            "Management calls a token may make in five minutes; 0: no limit.", \.apiRequestsPerFiveMinutes),
        .count(
            "logs_per_second_per_gateway", 0...1_000_000_000, 500,
            "Log entries of a gateway in one second; those beyond are counted, not kept; 0: no limit.",
            \.logsPerSecond),
        .count(
            "log_rows_per_gateway", 10_000...10_000_000_000, 10_000_000, "Log entries a gateway may have at most.",
            \.logRowsPerGateway),
        .size(
            "log_entry_size", ("1KiB", "32MiB"), "10MiB", "Bytes of both bodies that a log entry keeps.", \.logEntry),
        .count(
            "log_deletion_rows", 1...10_000_000, 10_000, "Log entries that one call may delete.", \.logDeletionRows),
        .count(
            "logpush_jobs_per_account", 1...1000, 4, "Logpush jobs an account may have.", \.logpushJobsPerAccount),
        .size(
            "logpush_entry_size", ("1KiB", "16MiB"), "1MiB", "Larger requests are not pushed by Logpush.",
            \.logpushEntry),
        .count(
            "metadata_entries", 0...100, 5, "Entries of a request's metadata; those beyond are dropped.",
            \.metadataEntries),
        .size(
            "cacheable_request", ("1KiB", "256MiB"), "25MiB", "Larger requests are not answered from the cache.",
            \.cacheableRequest),
        .duration(
            "cache_ttl", ("60s", "365d"), "30d", in: .seconds(1), "Longest time for which an answer is kept.",
            \.cacheTTL),
        .count(
            "retry_attempts", 1...20, 5, "Tries of one call that a request or gateway may ask for.", \.retryAttempts),
        .duration(
            "retry_delay", ("1ms", "10m"), "60s", in: .milliseconds(1),
            "Longest wait between two tries that a request or gateway may ask for.", \.retryDelay),
    ]
}
