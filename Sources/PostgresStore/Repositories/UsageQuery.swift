package import GatewayCore

/// A question to the roll-ups: which requests, split by what, in which order.
package struct UsageQuery: Sendable, Equatable {
    /// What requests can be told apart by.
    package enum Dimension: String, Sendable, CaseIterable {
        case gateway, provider, model, keyAlias, statusCode, cached, error, rateLimited, cacheStatus
        case date, datetime, datetimeMinute, datetimeFiveMinutes, datetimeFifteenMinutes, datetimeHour

        /// What its values are.
        package var kind: Kind {
            switch self {
            case .gateway, .provider, .model, .keyAlias, .cacheStatus: .text
            case .statusCode: .number
            case .cached, .error, .rateLimited: .flag
            case .date: .date
            case .datetime, .datetimeMinute, .datetimeFiveMinutes, .datetimeFifteenMinutes, .datetimeHour: .time
            }
        }

        /// The coarsest roll-up that can tell values of it apart.
        package var resolution: Resolution {
            switch self {
            case .datetime, .datetimeMinute, .datetimeFiveMinutes, .datetimeFifteenMinutes: .minute
            case .datetimeHour: .hour
            default: .day
            }
        }
    }

    package enum Kind: Sendable { case text, number, flag, date, time }

    package enum Resolution: Int, Sendable, Comparable {
        case day, hour, minute
        package static func < (one: Resolution, other: Resolution) -> Bool { one.rawValue < other.rawValue }
    }

    /// What is counted and summed.
    package enum Measure: String, Sendable, CaseIterable {
        case count, cachedRequests, erroredRequests, cachedTokensIn, cachedTokensOut, uncachedTokensIn
        case uncachedTokensOut, tokensIn, tokensOut, cost
    }

    package enum Comparison: String, Sendable, CaseIterable {
        case equal = "", notEqual = "_neq", greater = "_gt", greaterOrEqual = "_geq", less = "_lt"
        case lessOrEqual = "_leq", among = "_in", notAmong = "_notin", like = "_like"
    }

    package enum Value: Sendable, Equatable {
        case text(String)
        case number(Int)
        /// Of dates: midnight.
        case instant(Instant)
    }

    package indirect enum Condition: Sendable, Equatable {
        case all([Condition])
        case any([Condition])
        case compare(Dimension, Comparison, [Value])

        /// No request before it meets the condition; nil: there may be such requests at any time.
        package var earliest: Instant? {
            switch self {
            case .all(let parts): return parts.compactMap(\.earliest).max()
            case .any(let parts):
                let bounds = parts.map(\.earliest)
                return bounds.contains(nil) ? nil : bounds.compactMap(\.self).min()
            case .compare(_, .equal, let values), .compare(_, .among, let values), .compare(_, .greater, let values),
                .compare(_, .greaterOrEqual, let values):
                return Self.instants(values).min()
            case .compare: return nil
            }
        }

        /// Requests that meet the condition are no later, but for what its dimension cuts off; nil: they may be.
        package var latest: Instant? {
            switch self {
            case .all(let parts): return parts.compactMap(\.latest).min()
            case .any(let parts):
                let bounds = parts.map(\.latest)
                return bounds.contains(nil) ? nil : bounds.compactMap(\.self).max()
            case .compare(_, .equal, let values), .compare(_, .among, let values), .compare(_, .less, let values),
                .compare(_, .lessOrEqual, let values):
                return Self.instants(values).max()
            case .compare: return nil
            }
        }

        private static func instants(_ values: [Value]) -> [Instant] {
            values.compactMap { if case .instant(let instant) = $0 { instant } else { nil } }
        }
    }

    package enum Order: Sendable, Equatable {
        case dimension(Dimension, LogQuery.Direction)
        case measure(Measure, LogQuery.Direction)
    }

    package var account: AccountID
    package var dimensions: [Dimension]
    package var condition: Condition
    package var order: [Order]
    package var limit: Int
    package var resolution: Resolution
    /// Only requests that did not succeed.
    package var errorsOnly: Bool

    package init(account: AccountID) {
        self.account = account
        dimensions = []
        condition = .all([])
        order = []
        limit = 10_000
        resolution = .day
        errorsOnly = false
    }
}

/// One group of requests: its dimensions' values in the order they were asked for, and all measures.
package struct UsageGroup: Sendable, Equatable {
    /// Numbers and flags as digits, times as PostgreSQL writes them in UTC.
    package var values: [String]
    package var measures: [UsageQuery.Measure: String]
}

/// How many rows the log of a gateway holds.
package struct GatewayLogSize: Sendable, Equatable {
    /// Of the dimensions that were asked for, as in `UsageGroup`.
    package var values: [String]
    package var rows: Int
    /// The gateway's `log_management`.
    package var limit: Int?
}
