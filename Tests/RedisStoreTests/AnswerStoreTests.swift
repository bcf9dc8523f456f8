import GatewayCore
import NIOCore
import RedisStore
import TestKit
import Testing

@Suite("Answers and leases in Redis", .timeLimit(.minutes(1)))
struct AnswerStoreTests {
    private static let entry = StoreFixture.prefix + "answer:1:" + String(repeating: "01", count: 32)

    @Test("an answer survives being kept, whatever its form")
    func coding() {
        let answers = [
            KeptAnswer(
                form: AnswerForm(
                    status: 201, contentType: "image/png", contentEncoding: "gzip", delivery: .whole
                ), payload: ByteBuffer(bytes: Array(0...255))
            ),
            KeptAnswer(
                form: AnswerForm(status: 200, contentType: "text/event-stream", delivery: .stream),
                payload: ByteBuffer(string: "data: 1\n\ndata: [DONE]\n\n")
            ),
            KeptAnswer(form: AnswerForm(status: 204, contentType: nil, delivery: .whole), payload: ByteBuffer()),
        ]
        for answer in answers {
            let bytes = StoredAnswer.bytes(answer)
            #expect(StoredAnswer.answer(bytes) == answer)
            for length in 0..<bytes.readableBytes {
                #expect(StoredAnswer.answer(bytes.getSlice(at: 0, length: length) ?? ByteBuffer()) == nil)
            }
        }
        #expect(StoredAnswer.answer(ByteBuffer(string: "not an entry")) == nil)
        // The version stands first: number 1, type 0, then the value.
        var future = StoredAnswer.bytes(answers[0])
        future.setInteger(UInt8(2), at: 2)
        #expect(StoredAnswer.answer(future) == nil)
    }

    @Test("an entry is found until its time is over, under its own epoch only")
    func entries() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await StoreFixture.connected(to: server)
            let answer = StoreFixture.answer("{\"a\":1}")
            #expect(await worker.ask(StoreFixture.key(1)) == .admitted)
            worker.store.keep(answer, at: StoreFixture.place(1), seconds: 60, lease: nil)
            #expect(await worker.ask(StoreFixture.key(1)) == .stored(answer))
            #expect(await worker.ask(StoreFixture.key(1), reading: .skip) == .admitted)
            #expect(await worker.ask(StoreFixture.key(1, epoch: 2)) == .admitted)
            #expect(await worker.ask(StoreFixture.key(2)) == .admitted)
            let life = try #require(Int(try server.command("PTTL", Self.entry)))
            #expect((1...60_000).contains(life))
            try server.command("PEXPIRE", Self.entry, "1")
            while try server.command("EXISTS", Self.entry) == "1" {}
            #expect(await worker.ask(StoreFixture.key(1)) == .admitted)
            worker.close()
        }
    }

    @Test("who neither reads, leases nor is limited asks nothing")
    func nothingToAsk() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await StoreFixture.connected(to: server)
            let calls = { try server.command("INFO", "commandstats").contains("cmdstat_evalsha:") }
            #expect(await worker.ask(StoreFixture.key(1), reading: .skip) == .admitted)
            #expect(try !calls())
            #expect(await worker.ask(StoreFixture.key(1)) == .admitted)
            #expect(try calls())
            worker.close()
        }
    }

    @Test("gateways and limits that take turns are not mistaken for each other")
    func turns() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await StoreFixture.connected(to: server)
            let limit = RateRule(name: "gateway", limit: 2, interval: 3600, technique: .sliding)
            @WorkerLoop func ask(_ gateway: GatewayID, epoch: UInt64, _ limits: [RateRule]) async -> StoreVerdict {
                let question = StoreQuestion(
                    account: StoreFixture.account, gateway: gateway,
                    lookup: StoreQuestion.Lookup(
                        key: StoreFixture.key(7, epoch: epoch), reading: .read, lease: nil
                    ), limits: limits
                )
                return await withCheckedContinuation { continuation in
                    worker.store.ask(question) { continuation.resume(returning: $0) }
                }
            }
            // More gateways than are remembered, each three times and with two epochs.
            for round in 0..<3 {
                for number in 0..<20 {
                    let gateway = GatewayID("g\(number)")
                    let verdict = await ask(gateway, epoch: UInt64(round % 2), number % 2 == 0 ? [limit] : [])
                    if round == 2, number % 2 == 0 {
                        guard case .limited = verdict else { Issue.record("\(verdict)"); continue }
                    } else {
                        #expect(verdict == .admitted)
                    }
                    let place = AnswerPlace(
                        account: StoreFixture.account, gateway: gateway, key: StoreFixture.key(8, epoch: UInt64(round))
                    )
                    worker.store.keep(StoreFixture.answer("{}"), at: place, seconds: 60, lease: nil)
                }
            }
            var other = limit
            other.limit = 3
            #expect(await ask("g0", epoch: 1, [other]) == .admitted)
            let found = try server.command("KEYS", "aig:*:answer:*").split(separator: "\n").sorted()
            let expected = (0..<20).flatMap { number in
                (0..<3).map {
                    "aig:{\(StoreFixture.account)/g\(number)}:answer:\($0):" + String(repeating: "08", count: 32)
                }
            }
            #expect(found.map(String.init) == expected.sorted())
            worker.close()
        }
    }

    @Test("an entry that cannot be read is said to be so and can be replaced")
    func damaged() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await StoreFixture.connected(to: server)
            try server.command("SET", Self.entry, "garbage")
            #expect(await worker.ask(StoreFixture.key(1), lease: "a") == .unreadable)
            // It may be another version's: nobody takes it away before there is something better.
            #expect(await worker.ask(StoreFixture.key(1), reading: .skip, lease: "a") == .admitted)
            #expect(try server.command("GET", Self.entry) == "garbage")
            #expect(await worker.renew(StoreFixture.place(1), "a") == .lost)
            worker.store.keep(StoreFixture.answer("1"), at: StoreFixture.place(1), seconds: 60, lease: LeaseToken("a"))
            #expect(await worker.ask(StoreFixture.key(1), lease: "b") == .stored(StoreFixture.answer("1")))
            worker.close()
        }
    }

    @Test("a lease is followed until its end, and the followers learn which one it was")
    func leases() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let leader = try await StoreFixture.connected(to: server)
            let follower = try await StoreFixture.connected(to: server)
            let place = StoreFixture.place(1)
            #expect(await leader.ask(place.key, lease: "a") == .leased)
            #expect(await leader.renew(place, "a") == .held(followers: .none, published: 0))
            #expect(await follower.ask(place.key, lease: "b") == .underWay(LeaseToken("a")))
            #expect(await follower.look(place, "a") == .pending)
            #expect(await leader.renew(place, "a") == .held(followers: .some, published: 0))
            // Given up: the followers learn it, and still do after somebody else has taken over.
            leader.store.giveUp(LeaseToken("a"), at: place)
            #expect(await leader.renew(place, "a") == .lost)
            #expect(await follower.look(place, "a") == .failed)
            #expect(await leader.ask(place.key, lease: "c") == .leased)
            #expect(await follower.look(place, "a") == .failed)
            #expect(await follower.look(place, "c") == .pending)
            // A lease that somebody else holds cannot be ended.
            leader.store.giveUp(LeaseToken("a"), at: place)
            #expect(await leader.renew(place, "c") == .held(followers: .some, published: 0))
            leader.store.keep(StoreFixture.answer("1"), at: place, seconds: 60, lease: LeaseToken("c"))
            #expect(await leader.renew(place, "c") == .lost)
            // Nobody ends a lease, or prolongs one, over an entry.
            leader.store.giveUp(LeaseToken("c"), at: place)
            leader.store.abandon(LeaseToken("c"), at: place)
            #expect(await leader.renew(place, "x") == .lost)
            #expect(await follower.look(place, "c") == .stored(StoreFixture.answer("1")))
            #expect(await follower.look(StoreFixture.place(2), "z") == .gone)
            leader.close()
            follower.close()
        }
    }

    @Test("a lease that is not prolonged is gone")
    func silence() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await StoreFixture.connected(to: server, leaseLife: .milliseconds(50))
            let place = StoreFixture.place(1)
            #expect(await worker.ask(place.key, lease: "a") == .leased)
            while await worker.look(place, "a") == .pending {}
            #expect(await worker.look(place, "a") == .gone)
            let patient = try await StoreFixture.connected(to: server)
            #expect(await patient.ask(place.key, lease: "b") == .leased)
            #expect(await worker.renew(place, "a") == .lost)
            worker.close()
            patient.close()
        }
    }

    @Test("the parts of a stream are read in order from any byte on")
    func liveStream() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await StoreFixture.connected(to: server)
            let place = StoreFixture.place(1)
            let form = StoreFixture.answer("", delivery: .stream).form
            #expect(await worker.ask(place.key, lease: "a") == .leased)
            #expect(await worker.publish(place, "a", at: 0, "") == .held(followers: .none, published: 0))
            #expect(await worker.look(place, "a") == .live(form, ByteBuffer()))
            #expect(await worker.publish(place, "a", at: 0, "data: 1\n\n") == .held(followers: .some, published: 9))
            #expect(await worker.publish(place, "a", at: 9, "data: 2\n\n") == .held(followers: .some, published: 18))
            // The same part once more, as after a lost answer, is not added twice.
            #expect(await worker.publish(place, "a", at: 9, "data: 2\n\n") == .held(followers: .some, published: 18))
            #expect(await worker.publish(place, "b", at: 18, "x") == .lost)
            #expect(await worker.look(place, "a") == .live(form, ByteBuffer(string: "data: 1\n\ndata: 2\n\n")))
            #expect(await worker.look(place, "a", from: 15) == .live(form, ByteBuffer(string: "2\n\n")))
            #expect(await worker.look(place, "a", from: 18) == .live(form, ByteBuffer()))
            worker.store.giveUp(LeaseToken("a"), at: place)
            #expect(await worker.look(place, "a", from: 18) == .failed)
            #expect(
                try server.command("EXISTS", StoreFixture.prefix + "live:1:" + String(repeating: "01", count: 32))
                    == "0")
            worker.close()
        }
    }

    @Test("what an earlier lease left of a stream counts for nothing, and an entry clears it away")
    func leftovers() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await StoreFixture.connected(to: server)
            let place = StoreFixture.place(1)
            let form = StoreFixture.answer("", delivery: .stream).form
            let rest = ["live", "watch"].map { StoreFixture.prefix + $0 + ":1:" + String(repeating: "01", count: 32) }
            #expect(await worker.ask(place.key, lease: "a") == .leased)
            #expect(await worker.publish(place, "a", at: 0, "data: a\n\n") == .held(followers: .none, published: 9))
            #expect(await worker.look(place, "a") == .live(form, ByteBuffer(string: "data: a\n\n")))
            // The lease is over before the others are.
            try server.command("DEL", Self.entry)
            #expect(await worker.ask(place.key, lease: "b") == .leased)
            #expect(await worker.renew(place, "b") == .held(followers: .none, published: 0))
            #expect(await worker.publish(place, "b", at: 9, "late") == .held(followers: .none, published: 0))
            #expect(await worker.look(place, "b") == .pending)
            #expect(await worker.publish(place, "b", at: 0, "data: b\n\n") == .held(followers: .some, published: 9))
            #expect(await worker.look(place, "b") == .live(form, ByteBuffer(string: "data: b\n\n")))
            let answer = StoreFixture.answer("data: b\n\n", delivery: .stream)
            worker.store.keep(answer, at: place, seconds: 60, lease: LeaseToken("b"))
            #expect(await worker.look(place, "b") == .stored(answer))
            #expect(await worker.connection.send(RedisCommand("PING")) == .status("PONG"))
            for key in rest { #expect(try server.command("EXISTS", key) == "0") }
            worker.close()
        }
    }

    @Test("a Redis that has forgotten the scripts is told them again")
    func forgottenScripts() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await StoreFixture.connected(to: server)
            let calls = { try server.command("INFO", "commandstats").contains("cmdstat_eval:") }
            #expect(await worker.ask(StoreFixture.key(1)) == .admitted)
            #expect(try !calls())
            try server.command("SCRIPT", "FLUSH")
            #expect(await worker.ask(StoreFixture.key(1)) == .admitted)
            #expect(try calls())
            #expect(await worker.ask(StoreFixture.key(1)) == .admitted)
            let stats = try server.command("INFO", "commandstats")
            #expect(stats.contains("cmdstat_eval:calls=1,"))
            worker.close()
        }
    }

    @Test("a Redis that answers with an error is unavailable for that request, and said to be once")
    func fullServer() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await StoreFixture.connected(to: server)
            let rule = RateRule(name: "gateway", limit: 5, interval: 60, technique: .fixed)
            try server.command("CONFIG", "SET", "maxmemory", "1")
            for _ in 0..<3 {
                #expect(await worker.ask(StoreFixture.key(1), lease: "a", limits: [rule]) == .unavailable)
            }
            guard case .refused(let reason)? = await worker.watch.next() else {
                Issue.record("nothing was noted")
                return
            }
            #expect(reason.contains("OOM"))
            // An entry that does not fit frees those who wait for it.
            try server.command("CONFIG", "SET", "maxmemory", "0")
            #expect(await worker.ask(StoreFixture.key(1), lease: "a", limits: [rule]) == .leased)
            try server.command("CONFIG", "SET", "maxmemory", "1")
            worker.store.keep(StoreFixture.answer("1"), at: StoreFixture.place(1), seconds: 60, lease: LeaseToken("a"))
            #expect(await worker.connection.send(RedisCommand("PING")) == .status("PONG"))
            try server.command("CONFIG", "SET", "maxmemory", "0")
            #expect(await worker.ask(StoreFixture.key(1), lease: "b", limits: [rule]) == .leased)
            worker.close()
        }
    }

    @Test("ten megabytes come and go while small questions are asked, without a broken deadline")
    func largeEntry() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            // Well below what tests that are patient with a busy machine wait.
            var options = RedisConnection.Options()
            options.deadline = .seconds(3)
            let worker = try await StoreFixture.connected(to: server, options: options)
            let answer = KeptAnswer(
                form: AnswerForm(status: 200, contentType: "image/png", delivery: .whole),
                payload: ByteBuffer(repeating: 7, count: 10 << 20)
            )
            worker.store.keep(answer, at: StoreFixture.place(1), seconds: 60, lease: nil)
            #expect(await worker.ask(StoreFixture.key(2)) == .admitted)
            // Not in the expectation itself, whose failure would print the bytes.
            let isWhole = await worker.ask(StoreFixture.key(1)) == .stored(answer)
            #expect(isWhole)
            #expect(await worker.ask(StoreFixture.key(2)) == .admitted)
            #expect(worker.connection.health.state == .available)
            worker.close()
        }
    }
}
