package import GatewayCore

/// Whether Redis answers, and since when: what `/readyz` shows.
package struct RedisHealth: Sendable, Equatable {
    package enum State: Sendable, Equatable {
        /// Not asked yet.
        case unknown
        case available
        case unavailable(reason: String)
    }

    package var state: State
    package var since: Instant

    package init(_ state: State, since: Instant) {
        self.state = state
        self.since = since
    }
}
