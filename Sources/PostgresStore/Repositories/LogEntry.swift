package import GatewayCore

/// One row of a gateway's log, as it is shown (control-plane.md §4.3).
package struct LogEntry: Sendable, Equatable {
    package var id: String
    package var createdAt: Instant
    package var eventID: String
    package var provider: String
    package var model: String
    package var modelType: String?
    package var path: String
    package var requestType: String
    package var requestContentType: String?
    package var responseContentType: String?
    package var status: Int
    package var success: Bool
    package var cached: Bool
    package var step: Int
    package var durationMicroseconds: Int
    package var firstByteMicroseconds: Int?
    /// US dollars in decimal notation; nil when unknown.
    package var cost: String?
    package var customCost: Bool
    /// A JSON object in text form.
    package var metadata: String?
    package var requestSize: Int
    package var responseSize: Int
    package var authenticated: Bool
    package var keyAlias: String?
    package var userAgent: String?
    package var feedback: Int?
    package var score: Double?
    /// Names of members of the request that its provider was not told of, with commas between them.
    package var droppedParameters: String?
    package var tokensIn: Int?
    package var tokensOut: Int?
    package var tokensCached: Int?
    package var tokensReasoning: Int?

    /// What is known of both together; nil when nothing is.
    package var totalTokens: Int? {
        if tokensIn == nil, tokensOut == nil { return nil }
        return (tokensIn ?? 0) + (tokensOut ?? 0)
    }
}

/// The leading parts of a row's bodies, as far as they are kept.
package struct LogHeads: Sendable, Equatable {
    package var request: [UInt8]?
    package var response: [UInt8]?
    /// Whether the head is the whole body.
    package var requestIsWhole: Bool
    package var responseIsWhole: Bool
}

/// A stored body and the content type it was stored with.
package struct LogBody: Sendable, Equatable {
    package var bytes: [UInt8]
    package var contentType: String?
}

/// Smallest and largest values over a whole selection; nil where no row has a value.
///
/// Numbers are decimal text.
package struct LogRanges: Sendable, Equatable {
    package var cost: (low: String, high: String)?
    package var durationMilliseconds: (low: String, high: String)?
    package var tokensIn: (low: String, high: String)?
    package var tokensOut: (low: String, high: String)?
    package var totalTokens: (low: String, high: String)?

    package init() {}

    package static func == (left: LogRanges, right: LogRanges) -> Bool {
        func same(_ first: (low: String, high: String)?, _ second: (low: String, high: String)?) -> Bool {
            first?.low == second?.low && first?.high == second?.high
        }
        return same(left.cost, right.cost) && same(left.durationMilliseconds, right.durationMilliseconds)
            && same(left.tokensIn, right.tokensIn) && same(left.tokensOut, right.tokensOut)
            && same(left.totalTokens, right.totalTokens)
    }
}

/// What a client may change on a row; a nil member is left alone.
package struct LogPatch: Sendable, Equatable {
    /// A new value, or none.
    package enum Change<Value: Sendable & Equatable>: Sendable, Equatable {
        case set(Value)
        case clear
    }
    /// -1 or 1.
    package var feedback: Change<Int>?
    /// 0 to 100.
    package var score: Change<Double>?
    /// A JSON object in text form.
    package var metadata: Change<String>?

    package init() {}
    package var isEmpty: Bool { feedback == nil && score == nil && metadata == nil }
}
