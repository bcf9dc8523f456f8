package import GatewayCore
import Glibc

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

/// How many requests of a group took about how long.
package struct UsageDurations: Sendable, Equatable {
    /// As in the group's `UsageGroup`.
    package var values: [String]
    /// The eighth part of an octave that durations fall into: from 2^(c/8) to 2^((c+1)/8) microseconds.
    package var durationClass: Int
    package var requests: Int

    package init(values: [String], durationClass: Int, requests: Int) {
        self.values = values
        self.durationClass = durationClass
        self.requests = requests
    }

    /// Milliseconds that the given share of requests took at most, to the width of a class; nil without requests.
    package static func milliseconds(below share: Double, of classes: [UsageDurations]) -> Double? {
        let total = classes.reduce(0) { $0 + $1.requests }
        guard total > 0 else { return nil }
        let wanted = share * Double(total)
        var below = 0.0
        for entry in classes.sorted(by: { $0.durationClass < $1.durationClass }) where entry.requests > 0 {
            let count = Double(entry.requests)
            if below + count >= wanted {
                // Within a class requests are taken to lie evenly on the scale of octaves.
                let exponent = (Double(entry.durationClass) + min(1, max(0, (wanted - below) / count))) / 8
                return (exp2(exponent) / 10).rounded() / 100
            }
            below += count
        }
        return nil
    }
}
