@testable import AdminAPI
import GatewayCore
import Synchronization
import Testing

@Suite("The number of management calls")
struct CallQuotaTests {
    /// A clock that moves when it is told.
    private final class Hand: WallClock {
        private let seconds = Mutex<Int64>(1_000_000)
        var now: Instant { Instant(milliseconds: seconds.withLock { $0 } * 1000) }
        var monotonic: ContinuousClock.Instant { .now }
        func pass(_ count: Int64) { seconds.withLock { $0 += count } }
    }

    @Test("who exceeds the quota is refused for five minutes, others are not")
    func quota() throws {
        let clock = Hand()
        let quota = try #require(CallQuota(quota: 3, clock: clock))
        #expect(quota.count("a") == .init(quota: 3, left: 2, reset: 300, isExceeded: false))
        clock.pass(100)
        #expect(quota.count("a") == .init(quota: 3, left: 1, reset: 200, isExceeded: false))
        #expect(quota.count("a") == .init(quota: 3, left: 0, reset: 200, isExceeded: false))
        #expect(quota.count("a") == .init(quota: 3, left: 0, reset: 300, isExceeded: true))
        #expect(quota.count("b").left == 2)
        // The end of the first window does not end the wait.
        clock.pass(299)
        #expect(quota.count("a") == .init(quota: 3, left: 0, reset: 1, isExceeded: true))
        clock.pass(1)
        #expect(quota.count("a") == .init(quota: 3, left: 2, reset: 300, isExceeded: false))
    }

    @Test("a window that is over is forgotten")
    func window() throws {
        let clock = Hand()
        let quota = try #require(CallQuota(quota: 1, clock: clock))
        #expect(!quota.count("a").isExceeded)
        clock.pass(300)
        #expect(!quota.count("a").isExceeded)
    }

    @Test("0 stands for no limit")
    func none() { #expect(CallQuota(quota: 0, clock: Hand()) == nil) }
}
