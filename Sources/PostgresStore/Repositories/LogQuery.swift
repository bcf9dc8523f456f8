package import GatewayCore

/// Which rows of a gateway's log are meant, and in which order.
package struct LogQuery: Sendable, Equatable {
    package enum Direction: String, Sendable, CaseIterable { case asc, desc }

    /// What rows may be ordered by.
    package enum Order: String, Sendable, CaseIterable {
        case createdAt = "created_at"
        case provider, model
        case modelType = "model_type"
        case success, cached, cost
        case tokensIn = "tokens_in"
        case tokensOut = "tokens_out"
        case duration, feedback
    }

    package var account: AccountID
    package var gateway: GatewayID
    package var conditions: [LogCondition]
    /// When not nil, all conditions of at least one member have to hold as well: the datasets of an evaluation.
    package var anyOf: [[LogCondition]]?
    /// Free text over the row's metadata; nil: no search.
    package var search: String?
    package var order: Order = .createdAt
    package var direction: Direction = .desc

    package init(account: AccountID, gateway: GatewayID, conditions: [LogCondition] = [], search: String? = nil) {
        self.account = account
        self.gateway = gateway
        self.conditions = conditions
        self.search = search
    }
}

/// One condition on a row; conditions combine with AND, the values of one condition with OR.
///
/// - Source: control-plane §4.2 · keys documented, meaning of operators assumed.
package struct LogCondition: Sendable, Equatable {
    package enum Operation: String, Sendable, CaseIterable {
        case equal = "eq"
        case notEqual = "neq"
        case contains
        case less = "lt"
        case greater = "gt"
        /// Inclusive bounds of the older query parameters (`min_cost`, `start_date`, …).
        case atLeast, atMost
    }

    /// A value, already of the type that its key compares.
    package enum Value: Sendable, Equatable {
        /// The row has no value there.
        case unset
        case text(String)
        /// Decimal notation.
        case number(String)
        case bool(Bool)
        case instant(Instant)
    }

    package enum Key: String, Sendable, CaseIterable {
        case id
        case createdAt = "created_at"
        case requestContentType = "request_content_type"
        case responseContentType = "response_content_type"
        case requestType = "request_type"
        case success, cached, provider, model
        case modelType = "model_type"
        case cost, tokens
        case tokensIn = "tokens_in"
        case tokensOut = "tokens_out"
        case duration, feedback
        case eventID = "event_id"
        case metadataKey = "metadata.key"
        case metadataValue = "metadata.value"
        case authentication, wholesale, compatibilityMode
        case dlpAction = "dlp_action"
        case userAgent = "user_agent"
        case promptID = "prompts.prompt_id"
        case promptVersion = "prompts.version_id"

        package enum Kind: Sendable { case text, number, bool, time }

        /// What values of this key are.
        package var kind: Kind {
            switch self {
            case .createdAt: .time
            case .success, .cached, .authentication, .wholesale, .compatibilityMode: .bool
            case .cost, .tokens, .tokensIn, .tokensOut, .duration, .feedback: .number
            case .id, .requestContentType, .responseContentType, .requestType, .provider, .model, .modelType,
                .eventID, .metadataKey, .metadataValue, .dlpAction, .userAgent, .promptID, .promptVersion:
                .text
            }
        }
    }

    package var key: Key
    package var operation: Operation
    package var values: [Value]

    package init(_ key: Key, _ operation: Operation, _ values: [Value]) {
        self.key = key
        self.operation = operation
        self.values = values
    }
}
