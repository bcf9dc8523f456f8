import PostgresStore

/// One dataset of the GraphQL API: what it counts and what it can be split by.
///
/// - Source: control-plane §15.1 · documented names; `error`, `cached` and `rateLimited` as 0 or 1 · assumed.
enum AnalyticsDataset: String, Sendable, CaseIterable {
    case requests = "aiGatewayRequestsAdaptiveGroups"
    case errors = "aiGatewayErrorsAdaptiveGroups"
    case cache = "aiGatewayCacheAdaptiveGroups"
    case size = "aiGatewaySizeAdaptiveGroups"

    /// Most rows of one answer.
    static let maximumLimit = 10_000
    /// Seconds; what is older is not kept by the minute.
    static let notOlderThan = 5_356_800
    /// Seconds that one question may span.
    static let maximumDuration = 2_764_800
    static let maximumFields = 30

    /// `AccountAiGatewayRequestsAdaptiveGroups`.
    var typeName: String { "Account" + rawValue.prefix(1).uppercased() + rawValue.dropFirst() }

    /// What rows can be split by and filtered on.
    var dimensions: [String] {
        switch self {
        case .requests: Self.requestDimensions.map(\.rawValue)
        case .errors:
            ([.gateway, .provider, .model, .keyAlias, .statusCode, .rateLimited] + Self.times).map(\.rawValue)
        case .cache: ([.gateway, .provider, .model, .cacheStatus] + Self.times).map(\.rawValue) + ["cacheOp"]
        case .size: ["gateway", "logManagement"] + Self.times.map(\.rawValue)
        }
    }

    private static let times: [UsageQuery.Dimension] = [
        .date, .datetime, .datetimeMinute, .datetimeFiveMinutes, .datetimeFifteenMinutes, .datetimeHour,
    ]
    private static let requestDimensions: [UsageQuery.Dimension] =
        [.gateway, .provider, .model, .keyAlias, .statusCode, .cached, .error, .rateLimited] + times

    /// The dimension of that name, if rows can be filtered and ordered by it.
    func dimension(_ name: String) -> UsageQuery.Dimension? {
        guard dimensions.contains(name) else { return nil }
        return name == "cacheOp" ? .cacheStatus : UsageQuery.Dimension(rawValue: name)
    }

    /// The sub-objects beside `dimensions`, and their fields.
    var metrics: [(name: String, fields: [String])] {
        switch self {
        case .requests:
            [
                ("sum", UsageQuery.Measure.allCases.filter { $0 != .count }.map(\.rawValue)),
                ("quantiles", DurationQuantile.allCases.map(\.rawValue)), ("avg", ["sampleInterval"]),
            ]
        case .errors, .cache: [("avg", ["sampleInterval"])]
        case .size: [("max", ["rows"]), ("avg", ["sampleInterval"])]
        }
    }
}

/// A quantile of how long requests took, in milliseconds, to 9 % of its size.
enum DurationQuantile: String, Sendable, CaseIterable {
    case median = "durationMsP50"
    case p75 = "durationMsP75"
    case p90 = "durationMsP90"
    case p95 = "durationMsP95"
    case p99 = "durationMsP99"

    var share: Double {
        switch self {
        case .median: 0.5
        case .p75: 0.75
        case .p90: 0.9
        case .p95: 0.95
        case .p99: 0.99
        }
    }
}
