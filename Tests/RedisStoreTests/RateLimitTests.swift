import GatewayCore
import RedisStore
import TestKit
import Testing

@Suite("Limits counted in Redis", .timeLimit(.minutes(2)))
struct RateLimitTests {
    private static func rule(
        _ technique: RateLimitTechnique, limit: Int = 50, interval: Int = 1_000_000, name: String = "gateway"
    ) -> RateRule {
        RateRule(name: name, limit: limit, interval: interval, technique: technique)
    }

    /// Microseconds since 1970 on the server's clock.
    private static func now(_ server: RedisServer) throws -> Int {
        try microseconds(server.command("TIME").split(whereSeparator: \.isNewline).map(String.init))
    }

    /// What `TIME` was answered with.
    private static func microseconds(_ reply: RedisReply??) throws -> Int {
        guard case .array(let parts)?? = reply else { throw RedisStoreError("no time") }
        return try microseconds(parts.map { $0.text ?? "" })
    }

    private static func microseconds(_ parts: [String]) throws -> Int {
        let time = parts.compactMap { Int($0) }
        try #require(time.count == 2)
        return time[0] * 1_000_000 + time[1]
    }

    @Test(
        "of 200 requests at once over four connections exactly as many pass as the limit admits, ten times over",
        arguments: RateLimitTechnique.allCases
    )
    func exact(technique: RateLimitTechnique) async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            var workers: [StoreFixture] = []
            for _ in 0..<4 { workers.append(try await StoreFixture.connected(to: server)) }
            for run in 0..<10 {
                let rule = Self.rule(technique, name: "run\(run)")
                let question = StoreQuestion(
                    account: StoreFixture.account, gateway: StoreFixture.gateway, lookup: nil, limits: [rule]
                )
                let verdicts = await withCheckedContinuation { (done: CheckedContinuation<[StoreVerdict], Never>) in
                    var verdicts: [StoreVerdict] = []
                    for number in 0..<200 {
                        workers[number % 4].store.ask(question) { verdict in
                            verdicts.append(verdict)
                            if verdicts.count == 200 { done.resume(returning: verdicts) }
                        }
                    }
                }
                #expect(verdicts.filter { $0 == .admitted }.count == 50)
                let refused = verdicts.filter { if case .limited = $0 { true } else { false } }
                #expect(refused.count == 150)
            }
            for worker in workers { worker.close() }
        }
    }

    @Test("a fixed window starts anew where the clock divides evenly, and says when that is")
    func fixedWindow() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await StoreFixture.connected(to: server)
            let interval = 1_000_000
            let key = StoreFixture.prefix + "limit:gateway:window:\(interval)"
            let window = try Self.now(server) / (interval * 1_000_000)
            let rule = Self.rule(.fixed, limit: 10, interval: interval)
            for _ in 0..<10 { #expect(await worker.ask(limits: [rule]) == .admitted) }
            let before = try Self.now(server)
            let verdict = await worker.ask(limits: [rule])
            let after = try Self.now(server)
            guard case .limited(let retryAfter) = verdict else {
                Issue.record("\(verdict)")
                return
            }
            let end = (window + 1) * interval * 1_000_000
            let wait = Int(retryAfter / .microseconds(1))
            #expect((end - after...end - before + 1000).contains(wait))
            #expect(try server.command("GET", key) == "10")
            // The counter is gone in the very millisecond in which the next window begins.
            #expect(try server.command("PEXPIRETIME", key) == "\(end / 1000 - 1)")
            worker.close()
        }
    }

    @Test("a window that begins with its last millisecond admits no more than any other")
    func lastMillisecond() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await StoreFixture.connected(to: server)
            // Windows of five milliseconds: a fifth of all counters begins in the last one of its window.
            let interval = 5000
            for trial in 0..<300 {
                let key = StoreFixture.prefix + "limit:gateway:window:short\(trial)"
                let ask = RedisCommand(
                    "EVAL", GateScripts().ask.source, "1", key, "0", "", "", "fixed", "2", "\(interval)")
                let commands = [RedisCommand("TIME")] + Array(repeating: ask, count: 20) + [RedisCommand("TIME")]
                let replies = await withCheckedContinuation { (done: CheckedContinuation<[RedisReply?], Never>) in
                    var replies: [RedisReply?] = []
                    for command in commands {
                        worker.connection.send(command) { reply in
                            replies.append(reply)
                            if replies.count == commands.count { done.resume(returning: replies) }
                        }
                    }
                }
                let (first, last) = (try Self.microseconds(replies.first), try Self.microseconds(replies.last))
                let admitted = replies.filter { $0 == .integer(0) }.count
                #expect((2...2 * (last / interval - first / interval + 1)).contains(admitted))
            }
            worker.close()
        }
    }

    @Test("a window that is over does not count")
    func nextWindow() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await StoreFixture.connected(to: server)
            let key = StoreFixture.prefix + "limit:gateway:window:1000000"
            let rule = Self.rule(.fixed, limit: 2)
            for _ in 0..<2 { #expect(await worker.ask(limits: [rule]) == .admitted) }
            guard case .limited = await worker.ask(limits: [rule]) else {
                Issue.record("the third call passed")
                return
            }
            try server.command("PEXPIRE", key, "1")
            while try server.command("EXISTS", key) == "1" {}
            #expect(await worker.ask(limits: [rule]) == .admitted)
            #expect(try server.command("GET", key) == "1")
            worker.close()
        }
    }

    @Test("a counter that would outlive its window begins anew")
    func outlivedWindow() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await StoreFixture.connected(to: server)
            let key = StoreFixture.prefix + "limit:gateway:window:1000000"
            let rule = Self.rule(.fixed, limit: 10, interval: 1_000_000)
            // As after Redis' clock was set back by days, and as after somebody's PERSIST.
            for life in ["2000000", nil] {
                try server.command("SET", key, "10")
                if let life { try server.command("EXPIRE", key, life) }
                #expect(await worker.ask(limits: [rule]) == .admitted)
                #expect(try server.command("GET", key) == "1")
                let left = try #require(Int(try server.command("PTTL", key)))
                #expect((1...1_000_000_000).contains(left))
            }
            worker.close()
        }
    }

    @Test("a sliding window admits again when the oldest of its calls has left it")
    func slidingWindow() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await StoreFixture.connected(to: server)
            let key = StoreFixture.prefix + "limit:gateway:sliding:600"
            let rule = Self.rule(.sliding, limit: 10, interval: 600)
            // Ten calls two minutes ago, as in the documented example: the eleventh fails.
            let start = try Self.now(server)
            let calls = (0..<10).map { start - 120_000_000 + $0 }
            for call in calls { try server.command("RPUSH", key, "\(call)") }
            let before = try Self.now(server)
            let verdict = await worker.ask(limits: [rule])
            let after = try Self.now(server)
            guard case .limited(let retryAfter) = verdict else {
                Issue.record("\(verdict)")
                return
            }
            let wait = Int(retryAfter / .microseconds(1))
            #expect((calls[0] + 600_000_000 - after...calls[0] + 600_000_000 - before + 1000).contains(wait))
            #expect(try server.command("LLEN", key) == "10")
            // Once the oldest three are older than the interval, three pass and the fourth fails.
            try server.command("DEL", key)
            let later = try Self.now(server)
            for age in [601, 600, 600, 500, 400, 300, 200, 100, 50, 10] {
                try server.command("RPUSH", key, "\(later - age * 1_000_000)")
            }
            for _ in 0..<3 { #expect(await worker.ask(limits: [rule]) == .admitted) }
            guard case .limited = await worker.ask(limits: [rule]) else {
                Issue.record("the fourth call passed")
                return
            }
            #expect(try server.command("LLEN", key) == "10")
            worker.close()
        }
    }

    @Test("a limit that was lowered looks at the latest calls only")
    func lowered() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await StoreFixture.connected(to: server)
            let high = Self.rule(.sliding, limit: 5)
            for _ in 0..<5 { #expect(await worker.ask(limits: [high]) == .admitted) }
            guard case .limited = await worker.ask(limits: [Self.rule(.sliding, limit: 3)]) else {
                Issue.record("three calls were known")
                return
            }
            #expect(await worker.ask(limits: [Self.rule(.sliding, limit: 6)]) == .admitted)
            worker.close()
        }
    }

    @Test("a refused request consumes nothing of any rule")
    func refusedConsumesNothing() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await StoreFixture.connected(to: server)
            let wide = Self.rule(.fixed, limit: 100)
            let ring = Self.rule(.sliding, limit: 100, name: "ring")
            let narrow = Self.rule(.sliding, limit: 1, name: "key/openai/prod")
            #expect(await worker.ask(limits: [wide, ring, narrow]) == .admitted)
            for _ in 0..<5 {
                guard case .limited = await worker.ask(limits: [wide, ring, narrow]) else {
                    Issue.record("the narrow limit is used up")
                    return
                }
            }
            #expect(try server.command("GET", StoreFixture.prefix + "limit:gateway:window:1000000") == "1")
            #expect(try server.command("LLEN", StoreFixture.prefix + "limit:ring:sliding:1000000") == "1")
            #expect(await worker.ask(limits: [wide, ring]) == .admitted)
            worker.close()
        }
    }

    @Test("a stored answer and a followed one touch no limit")
    func hitsAreFree() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await StoreFixture.connected(to: server)
            let rule = Self.rule(.fixed, limit: 1)
            let key = StoreFixture.key(1)
            #expect(await worker.ask(key, lease: "a", limits: [rule]) == .leased)
            #expect(await worker.ask(key, lease: "b", limits: [rule]) == .underWay(LeaseToken("a")))
            let answer = StoreFixture.answer("{}")
            worker.store.keep(answer, at: StoreFixture.place(1), seconds: 60, lease: LeaseToken("a"))
            #expect(await worker.ask(key, lease: "c", limits: [rule]) == .stored(answer))
            guard case .limited = await worker.ask(StoreFixture.key(2), lease: "d", limits: [rule]) else {
                Issue.record("the limit of one is used up")
                return
            }
            // A refused request leaves no lease behind.
            #expect(
                try server.command("EXISTS", StoreFixture.prefix + "answer:1:" + String(repeating: "02", count: 32))
                    == "0")
            worker.close()
        }
    }
}
