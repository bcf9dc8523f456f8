import Testing

@testable import ProxyServer

@Suite struct ConnectionPatienceTests {
    private let deadlines = ConnectionRegistry.Deadlines()

    @Test("everything but the gateway's own answer is waited for with an end")
    func ends() {
        let patience = ConnectionPatience(now: 100)
        let limits: [(ConnectionPatience.Subject, Int)] = [
            (.request, deadlines.idle), (.head, deadlines.head), (.reader, deadlines.stalledReader),
            (.body, deadlines.body), (.end, deadlines.linger),
        ]
        for (subject, limit) in limits {
            #expect(!patience.isOver(subject, now: 100 + limit, deadlines))
            #expect(patience.isOver(subject, now: 101 + limit, deadlines))
        }
        #expect(!patience.isOver(.answer, now: .max, deadlines))
    }

    @Test("a head is measured from its first byte, whatever comes in crumbs")
    func crumbs() {
        var patience = ConnectionPatience(now: 0)
        patience.lastActivity = deadlines.head
        #expect(patience.isOver(.head, now: deadlines.head + 1, deadlines))
    }

    @Test("a connection that ends has the reader's time while bytes are on their way")
    func ending() {
        var patience = ConnectionPatience(now: 0)
        patience.endingSince = 50
        patience.awaitsWrites = true
        #expect(!patience.isOver(.end, now: 50 + deadlines.stalledReader, deadlines))
        #expect(patience.isOver(.end, now: 51 + deadlines.stalledReader, deadlines))
        patience.awaitsWrites = false
        #expect(patience.isOver(.end, now: 51 + deadlines.linger, deadlines))
    }
}
