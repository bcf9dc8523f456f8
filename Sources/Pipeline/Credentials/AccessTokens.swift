package import GatewayCore
package import Providers

/// The access tokens that keys were exchanged for, and the exchanges under way.
///
/// A token is used until shortly before its end; from then on it is renewed behind the back of those who still use it.
/// One exchange per key is in flight, whoever asks meanwhile waits for it. Failures are told and not remembered.
@WorkerLoop
package final class AccessTokens {
    /// Times and bounds.
    package struct Options: Sendable {
        /// How long before its end a token is renewed (providers.md §2.4); never more than half of its life.
        package var renewal = Duration.seconds(300)
        /// After a failed renewal the next one waits this long, while the old token is good.
        package var pause = Duration.seconds(5)
        /// Tokens that are remembered; the one used longest ago goes first.
        package var capacity = 1024
        /// Exchanges in flight.
        package var flights = 64
        package init() {}
    }

    /// Names a key by the digest of all of it: whoever has no more than its public parts finds nothing.
    package struct Name: Hashable, Sendable {
        private let digest: [UInt8]
        package init(digest: [UInt8]) { self.digest = digest }
    }

    package typealias Exchange = @WorkerLoop () async -> Result<AccessToken, GatewayError>

    private struct Known {
        var token: Secret<String>
        var renewAt: ContinuousClock.Instant
        var endsAt: ContinuousClock.Instant
        var usedAt: UInt64
    }

    private let clock: any WallClock
    private let options: Options
    private var known: [Name: Known] = [:]
    private var flights: [Name: TokenFlight] = [:]
    private var uses: UInt64 = 0

    package init(clock: any WallClock, options: Options = Options()) {
        self.clock = clock
        self.options = options
    }

    /// The token of a key.
    ///
    /// - Parameter exchange: gets a new one; called only when one is needed.
    /// - Errors: those of `exchange`; `.notReady` when too many exchanges are under way.
    package func token(
        _ name: Name, cancel: CancelHook, exchange: @escaping Exchange
    ) async throws(GatewayError) -> Secret<String> {
        let now = clock.monotonic
        if var entry = known[name], now < entry.endsAt {
            uses += 1
            entry.usedAt = uses
            let isDue = now >= entry.renewAt
            if isDue { entry.renewAt = now + options.pause }
            known[name] = entry
            if isDue, flights[name] == nil, flights.count < options.flights { _ = start(name, exchange) }
            return entry.token
        }
        if let flight = flights[name] { return try await flight.landing(cancel).value }
        guard flights.count < options.flights else {
            throw GatewayError(.notReady, origin: .gateway, detail: "too many exchanges of keys are under way")
        }
        return try await start(name, exchange).landing(cancel).value
    }

    /// Forgets a token that the provider did not take, so that the next call gets a new one.
    package func forget(_ name: Name) { known[name] = nil }

    private func start(_ name: Name, _ exchange: @escaping Exchange) -> TokenFlight {
        let flight = TokenFlight()
        flights[name] = flight
        WorkerLoop.start {
            let result = await exchange()
            self.flights[name] = nil
            if case .success(let token) = result { self.remember(name, token) }
            flight.land(result)
        }
        return flight
    }

    private func remember(_ name: Name, _ token: AccessToken) {
        guard token.lifetime > .zero else { return }
        if known[name] == nil, known.count >= options.capacity,
            let oldest = known.min(by: { $0.value.usedAt < $1.value.usedAt })
        {
            known[oldest.key] = nil
        }
        uses += 1
        let now = clock.monotonic
        known[name] = Known(
            token: token.value, renewAt: now + token.lifetime - min(options.renewal, token.lifetime / 2),
            endsAt: now + token.lifetime, usedAt: uses
        )
    }
}

/// One exchange in flight and who waits for its end.
@WorkerLoop
private final class TokenFlight {
    private var result: Result<AccessToken, GatewayError>?
    private var waiting: [Int: CheckedContinuation<Result<AccessToken, GatewayError>, Never>] = [:]
    private var arrivals = 0

    /// Waits for the end, but not beyond a cancellation.
    func landing(_ cancel: CancelHook) async throws(GatewayError) -> AccessToken {
        if let result { return try result.get() }
        arrivals += 1
        let number = arrivals
        let result = await withCheckedContinuation { continuation in
            waiting[number] = continuation
            cancel.onCancel {
                self.waiting.removeValue(forKey: number)?.resume(
                    returning: .failure(
                        GatewayError(
                            .providerUnreachable, origin: .client, detail: "cancelled while a key was exchanged")
                    )
                )
            }
        }
        cancel.onCancel(nil)
        return try result.get()
    }

    func land(_ result: Result<AccessToken, GatewayError>) {
        self.result = result
        let waiting = waiting
        self.waiting = [:]
        for continuation in waiting.values { continuation.resume(returning: result) }
    }
}
