import ControlPlane
import GatewayCore
import PostgresStore
import Testing

@Suite("Who is sent exports when")
struct ExportScheduleTests {
    private let start = ContinuousClock.now

    private func receiver(_ account: Int, _ gateway: Int = 0, _ target: String = "otel:a") -> ExportReceiver {
        ExportReceiver(
            account: AccountID("account-\(account)"), gateway: GatewayID("g\(gateway)"), target: target,
            kind: .otel(exporter: "{}"))
    }

    @Test("eight are served at once, two of an account, and nobody twice")
    func places() {
        var schedule = ExportSchedule()
        let crowd = (0..<20).map { receiver(1, $0, "otel:\($0)") }
        let others = (2..<20).map { receiver($0) }
        let first = schedule.begin(crowd + others, now: start)
        #expect(first.count == 8)
        #expect(first.filter { $0.account == "account-1" }.count == 2)
        #expect(schedule.begin(crowd + others, now: start).isEmpty)
        schedule.end(first[0])
        schedule.end(first[3])
        let second = schedule.begin(crowd + others, now: start)
        #expect(second.count == 2)
        #expect(!second.contains(first[0]) && !second.contains(first[3]), "those that waited longer come first")
    }

    @Test("an account with many receivers does not make one with a single one wait for all of them")
    func turns() {
        var schedule = ExportSchedule()
        let waiting = (1...8).flatMap { account in (0..<100).map { receiver(account, $0, "otel:\($0)") } }
        var serving = schedule.begin(waiting, now: start)
        let late = receiver(9)
        var rounds = 0
        while !serving.contains(late), rounds < 100 {
            rounds += 1
            let next = serving.removeFirst()
            schedule.end(next)
            serving += schedule.begin(waiting + [late], now: start)
        }
        #expect(rounds <= 9, "as many as there are accounts, not as there are receivers")
    }

    @Test("a failure is told once, its pause doubles up to five minutes, and what is taken ends it")
    func outage() {
        var schedule = ExportSchedule()
        let one = receiver(1)
        var now = start
        for (failure, pause) in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].enumerated() {
            #expect(schedule.begin([one], now: now) == [one])
            #expect(schedule.fail(one, .receiver, now: now) == (failure == 0))
            schedule.end(one)
            #expect(schedule.begin([one], now: now + .seconds(pause) - .milliseconds(1)).isEmpty)
            now += .seconds(pause)
        }
        #expect(schedule.begin([one], now: now) == [one])
        let ends = [schedule.succeed(one), schedule.succeed(one)]
        #expect(ends == [true, false])
        schedule.end(one)
        #expect(schedule.begin([one], now: now) == [one])
    }

    @Test("where nobody answers, nobody of the account is sent anything; other accounts and addresses are")
    func address() {
        var schedule = ExportSchedule()
        let dead = [receiver(1, 1, "otel:dead"), receiver(1, 2, "otel:dead"), receiver(1, 3, "otel:dead:2")]
        let others = [receiver(2, 1, "otel:dead"), receiver(1, 1, "otel:alive")]
        #expect(schedule.begin(dead, now: start) == Array(dead[..<2]))
        let isNew = [0, 1].map { schedule.fail(dead[$0], .address, now: start) }
        #expect(isNew == [true, false], "it is one outage")
        for receiver in dead[..<2] { schedule.end(receiver) }
        #expect(schedule.begin(dead + others, now: start) == others)
        for receiver in others { schedule.end(receiver) }
        // The two that failed together made one pause.
        #expect(schedule.begin(dead, now: start + .seconds(1)).count == 2)
    }

    @Test("a refusal of one gateway says nothing about another with the same URL")
    func receiverAlone() {
        var schedule = ExportSchedule()
        let (bad, good) = (receiver(1, 1), receiver(1, 2))
        #expect(schedule.begin([bad], now: start) == [bad])
        _ = schedule.fail(bad, .receiver, now: start)
        schedule.end(bad)
        #expect(schedule.begin([bad, good], now: start) == [good])
    }

    @Test("receivers that fail have half of the places, however many there are")
    func failing() {
        var schedule = ExportSchedule()
        let bad = (0..<40).map { receiver($0) }
        for _ in 0..<20 {
            for one in schedule.begin(bad, now: start) {
                _ = schedule.fail(one, .address, now: start)
                schedule.end(one)
            }
        }
        let later = start + .seconds(2)
        #expect(schedule.begin(bad, now: later).count == 4)
        let good = (100..<120).map { receiver($0) }
        #expect(schedule.begin(bad + good, now: later).count == 4)
    }
}
