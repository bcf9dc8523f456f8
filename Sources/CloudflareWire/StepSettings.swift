package import GatewayCore

/// What one step of a universal request asks for itself (data-plane §1.3).
package struct StepSettings: Sendable, Equatable {
    /// The `cf-aig-*` entries of the step's `headers`.
    package var headers: Directives
    package var config: StepConfig

    package init(headers: Directives = Directives(), config: StepConfig = StepConfig()) {
        self.headers = headers
        self.config = config
    }
}

/// A step's `config` object; values out of range are moved into it, invalid ones count as absent, as in headers.
package struct StepConfig: Sendable, Equatable {
    package var requestTimeout: Duration?
    /// Tries, the first one included.
    package var maxAttempts: Int?
    package var retryDelay: Duration?
    package var backoff: RetryBackoff?

    package init(
        requestTimeout: Duration? = nil, maxAttempts: Int? = nil, retryDelay: Duration? = nil,
        backoff: RetryBackoff? = nil
    ) {
        self.requestTimeout = requestTimeout
        self.maxAttempts = maxAttempts
        self.retryDelay = retryDelay
        self.backoff = backoff
    }
}
