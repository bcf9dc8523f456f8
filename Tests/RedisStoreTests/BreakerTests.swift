import RedisStore
import Testing

@Suite("The breaker")
struct BreakerTests {
    @Test("nothing is asked before the first probe has succeeded")
    func start() {
        var breaker = Breaker()
        #expect(!breaker.admitsOperations)
        #expect(breaker.delay == .zero)
        breaker.startProbe()
        #expect(breaker.state == .halfOpen)
        #expect(!breaker.admitsOperations)
        breaker.probeSucceeded()
        #expect(breaker.state == .closed)
        #expect(breaker.admitsOperations)
    }

    @Test("a lost connection is probed at once; failed probes wait longer each time, up to a bound")
    func backOff() {
        var breaker = Breaker(firstDelay: .milliseconds(20), longestDelay: .milliseconds(100))
        breaker.startProbe()
        breaker.probeSucceeded()
        breaker.trip()
        #expect(!breaker.admitsOperations)
        var delays: [Duration] = []
        for _ in 0..<6 {
            delays.append(breaker.delay)
            breaker.startProbe()
            breaker.trip()
        }
        #expect(
            delays == [
                .zero, .milliseconds(20), .milliseconds(40), .milliseconds(80), .milliseconds(100), .milliseconds(100),
            ])
        breaker.startProbe()
        breaker.probeSucceeded()
        breaker.trip()
        #expect(breaker.delay == .zero)
    }
}
