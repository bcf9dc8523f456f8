import GatewayCore
import Providers
import Synchronization
import TestKit
import Testing

@testable import Pipeline

/// A clock that stands still until a test moves it.
final class ManualClock: WallClock {
    private let passed = Mutex(Duration.zero)
    private let start = ContinuousClock.now

    var now: Instant { Instant(milliseconds: 1_795_000_000_000 + passed.withLock { $0.components.seconds } * 1000) }
    var monotonic: ContinuousClock.Instant { start + passed.withLock { $0 } }

    func advance(by duration: Duration) { passed.withLock { $0 += duration } }
}

/// A token endpoint that answers when and what a test says.
@WorkerLoop
private final class Endpoint {
    private(set) var calls = 0
    var result: Result<AccessToken, GatewayError>?
    private var waiting: [CheckedContinuation<Result<AccessToken, GatewayError>, Never>] = []

    func exchange() async -> Result<AccessToken, GatewayError> {
        calls += 1
        if let result { return result }
        return await withCheckedContinuation { waiting.append($0) }
    }

    func answer(_ result: Result<AccessToken, GatewayError>) {
        let waiting = waiting
        self.waiting = []
        for continuation in waiting { continuation.resume(returning: result) }
    }

    static func token(_ text: String, _ lifetime: Duration = .seconds(3600)) -> Result<AccessToken, GatewayError> {
        .success(AccessToken(value: Secret(text), lifetime: lifetime))
    }

    static let refusal = Result<AccessToken, GatewayError>.failure(
        GatewayError(.storedKeyUnavailable, origin: .provider, detail: "refused"))
}

@Suite("Access tokens")
struct AccessTokensTests {
    private static let name = AccessTokens.Name(digest: [1])
    private static let other = AccessTokens.Name(digest: [2])

    /// Lets everything run that can run now.
    @WorkerLoop
    private static func settle() async { for _ in 0..<20 { await Task.yield() } }

    @Test("a token is used until it ends, and renewed behind the back of its users before that")
    func renewal() async throws {
        try await TestLoop.run { () async throws in
            let clock = ManualClock()
            let endpoint = Endpoint()
            let tokens = AccessTokens(clock: clock)
            func token() async throws -> String {
                try await tokens.token(Self.name, cancel: CancelHook()) { await endpoint.exchange() }.reveal()
            }
            endpoint.result = Endpoint.token("one")
            #expect(try await token() == "one")
            clock.advance(by: .seconds(3299))
            #expect(try await token() == "one")
            #expect(endpoint.calls == 1)
            clock.advance(by: .seconds(1))
            endpoint.result = Endpoint.token("two")
            #expect(try await token() == "one")
            await Self.settle()
            #expect(endpoint.calls == 2)
            #expect(try await token() == "two")
            clock.advance(by: .seconds(4000))
            endpoint.result = Endpoint.token("three")
            #expect(try await token() == "three")
            #expect(endpoint.calls == 3)
        }
    }

    @Test("a renewal that fails is tried again after a pause, and its users notice nothing before the end")
    func failedRenewal() async throws {
        try await TestLoop.run {
            let clock = ManualClock()
            let endpoint = Endpoint()
            let tokens = AccessTokens(clock: clock)
            func token() async throws -> String {
                try await tokens.token(Self.name, cancel: CancelHook()) { await endpoint.exchange() }.reveal()
            }
            endpoint.result = Endpoint.token("one")
            _ = try await token()
            endpoint.result = Endpoint.refusal
            clock.advance(by: .seconds(3301))
            for _ in 0..<5 {
                #expect(try await token() == "one")
                await Self.settle()
            }
            #expect(endpoint.calls == 2)
            clock.advance(by: .seconds(6))
            #expect(try await token() == "one")
            await Self.settle()
            #expect(endpoint.calls == 3)
            clock.advance(by: .seconds(300))
            await #expect(throws: GatewayError.self) { _ = try await token() }
        }
    }

    @Test("whoever asks while an exchange is in flight waits for it; another key has its own")
    func singleFlight() async {
        await TestLoop.run {
            let endpoint = Endpoint()
            let tokens = AccessTokens(clock: ManualClock())
            var got: [String] = []
            for name in [Self.name, Self.name, Self.name, Self.other] {
                WorkerLoop.start {
                    let token = try? await tokens.token(name, cancel: CancelHook()) { await endpoint.exchange() }
                    got.append(token?.reveal() ?? "none")
                }
            }
            await Self.settle()
            #expect(endpoint.calls == 2 && got.isEmpty)
            endpoint.answer(Endpoint.token("shared"))
            await Self.settle()
            #expect(got == Array(repeating: "shared", count: 4))
        }
    }

    @Test("a failure is everybody's who waited, and nobody's who comes later")
    func failure() async throws {
        try await TestLoop.run {
            let endpoint = Endpoint()
            let tokens = AccessTokens(clock: ManualClock())
            var failures = 0
            for _ in 0..<3 {
                WorkerLoop.start {
                    do {
                        _ = try await tokens.token(Self.name, cancel: CancelHook()) { await endpoint.exchange() }
                    } catch {
                        failures += 1
                    }
                }
            }
            await Self.settle()
            endpoint.answer(Endpoint.refusal)
            await Self.settle()
            #expect(failures == 3 && endpoint.calls == 1)
            endpoint.result = Endpoint.token("later")
            let token = try await tokens.token(Self.name, cancel: CancelHook()) { await endpoint.exchange() }
            #expect(token.reveal() == "later")
        }
    }

    @Test("a waiter that is cancelled leaves alone")
    func cancellation() async {
        await TestLoop.run {
            let endpoint = Endpoint()
            let tokens = AccessTokens(clock: ManualClock())
            let cancel = CancelHook()
            var ends: [String] = []
            for (name, hook) in [("leaver", cancel), ("stayer", CancelHook())] {
                WorkerLoop.start {
                    do {
                        _ = try await tokens.token(Self.name, cancel: hook) { await endpoint.exchange() }
                        ends.append(name + " served")
                    } catch {
                        ends.append(name + " left")
                    }
                }
            }
            await Self.settle()
            cancel.cancel()
            await Self.settle()
            #expect(ends == ["leaver left"])
            endpoint.answer(Endpoint.token("t"))
            await Self.settle()
            #expect(ends == ["leaver left", "stayer served"])
        }
    }

    @Test("a token that the provider refused is not used again, and one without life not at all")
    func forgetting() async throws {
        try await TestLoop.run {
            let endpoint = Endpoint()
            let tokens = AccessTokens(clock: ManualClock())
            func token() async throws -> String {
                try await tokens.token(Self.name, cancel: CancelHook()) { await endpoint.exchange() }.reveal()
            }
            endpoint.result = Endpoint.token("one")
            _ = try await token()
            tokens.forget(Self.name)
            endpoint.result = Endpoint.token("dead", .zero)
            #expect(try await token() == "dead")
            endpoint.result = Endpoint.token("two")
            #expect(try await token() == "two")
            #expect(endpoint.calls == 3)
        }
    }

    @Test("no more tokens are remembered and no more exchanges are begun than the bounds say")
    func bounds() async throws {
        try await TestLoop.run {
            var options = AccessTokens.Options()
            options.capacity = 2
            options.flights = 2
            let endpoint = Endpoint()
            let tokens = AccessTokens(clock: ManualClock(), options: options)
            func token(_ number: UInt8) async throws {
                _ = try await tokens.token(.init(digest: [number]), cancel: CancelHook()) { await endpoint.exchange() }
            }
            endpoint.result = Endpoint.token("t")
            try await token(1)
            try await token(2)
            try await token(1)
            try await token(3)
            #expect(endpoint.calls == 3)
            try await token(1)
            #expect(endpoint.calls == 3)
            try await token(2)
            #expect(endpoint.calls == 4)
            endpoint.result = nil
            for number in [10, 11] as [UInt8] { WorkerLoop.start { try? await token(number) } }
            await Self.settle()
            let error = await #expect(throws: GatewayError.self) { try await token(12) }
            #expect(error?.kind == .notReady)
            endpoint.answer(Endpoint.refusal)
            await Self.settle()
        }
    }
}
