import GatewayCore
import NIOCore
import Pipeline
import RedisStore
import TestKit
import Testing
import WireFormats
import WorkerRuntime

@Suite("Sharing answers over Redis", .timeLimit(.minutes(2)))
struct SharingGateTests {
    // MARK: Keeping

    @Test("an answer is fetched once and then repeated with its form and bytes")
    func hit() async throws {
        try await withWorker { worker in
            let first = Asking(worker.gate, worker.question(1))
            let lead = try await first.lead()
            #expect(lead.begin(Head.whole("application/json; charset=utf-8", encoding: "gzip")))
            lead.append("{\"a\":")
            lead.append("1}")
            #expect(!lead.isAwaited)
            lead.end(.complete)
            let reply = try await Asking(worker.gate, worker.question(1)).reply()
            #expect(reply.head.status == 200)
            #expect(reply.head.value(.contentType) == "application/json; charset=utf-8")
            #expect(reply.head.value(.contentEncoding) == "gzip")
            #expect(reply.head.framing == .length(7))
            let reader = ReplyProbe(reply)
            #expect(await reader.ended() == .complete)
            #expect(reader.payload == "{\"a\":1}")
            #expect(reader.raw == "{\"a\":1}")
            worker.expectIdle()
        }
    }

    @Test("what waits of a large answer that nobody counts any more does not hold all of it")
    func pinnedMemory() async throws {
        try await withWorker { worker in
            let text = String(repeating: "0123456789abcdef", count: 1 << 16)
            try await worker.fetch(1, text)
            let reply = try await Asking(worker.gate, worker.question(1)).reply()
            let reader = CapacityProbe()
            reply.relay(to: reader)
            #expect(reader.bytes == text.utf8.count && reader.isEnded)
            #expect(reader.largest <= 4 * 65_536)
            worker.expectIdle()
        }
    }

    @Test("an answer that is here at once is kept where it lies, within the same bounds")
    func atOnce() async throws {
        try await withWorker(bounds: { $0.entry = 8 }) { worker in
            for (name, text, isKept) in [(1, "in time", true), (2, "too long for it", false)] {
                let lead = try await Asking(worker.gate, worker.question(UInt8(name))).lead()
                #expect(lead.begin(Head.whole()))
                #expect(worker.gate.heldBytes == 0)
                lead.append(whole: ByteBuffer(string: text))
                #expect(worker.gate.heldBytes == (isKept ? text.utf8.count : 0))
                lead.end(.complete)
                await worker.settle()
                if isKept {
                    #expect(try await worker.read(UInt8(name)) == text)
                } else {
                    try await Asking(worker.gate, worker.question(UInt8(name))).lead().end(.failed)
                }
            }
            worker.expectIdle()
        }
    }

    @Test("an answer that calls itself JSON is kept if it is, or if whoever relays it has seen that it is")
    func soundness() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await Worker(server)
            let rows: [(String, String, LeadOutcome, Bool)] = [
                ("application/json", "{\"a\":1", .complete, false), ("application/json", "{\"a\":1}", .complete, true),
                ("application/json", "{\"a\":2}", .completeDocument, true), ("text/plain", "{", .complete, true),
                ("application/json", "{\"a\":1}", .unkept, false), ("application/json", "{}", .failed, false),
            ]
            for (index, (type, text, outcome, isKept)) in rows.enumerated() {
                let name = UInt8(index + 1)
                let lead = try await Asking(worker.gate, worker.question(name)).lead()
                #expect(lead.begin(Head.whole(type)))
                lead.append(text)
                lead.end(outcome)
                await worker.settle()
                if isKept {
                    #expect(try await worker.read(name) == text)
                } else {
                    try await Asking(worker.gate, worker.question(name)).lead().end(.failed)
                }
            }
            worker.expectIdle()
            worker.close()
        }
    }

    @Test("many answers in flight at once are told apart, whichever comes first")
    func crowd() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await Worker(server)
            // Half of the digests begin alike, and are in the same list of the board.
            @WorkerLoop func question(_ name: UInt8) -> GateQuestion {
                var question = worker.question(name)
                let digest = [name % 2 == 0 ? name : 1, 1] + Array(repeating: name, count: 30)
                question.cache?.key = CacheKey(digest: ContentDigest(digest), epoch: 1)
                return question
            }
            var leads: [(UInt8, any AnswerLead)] = []
            for name in UInt8(1)...40 { leads.append((name, try await Asking(worker.gate, question(name)).lead())) }
            let followers = leads.map { name, _ in Asking(worker.gate, question(name)) }
            for (name, lead) in leads.reversed() {
                #expect(lead.begin(Head.whole()))
                lead.append("{\"n\":\(name)}")
                lead.end(.complete)
            }
            for (follower, (name, _)) in zip(followers, leads) {
                let reader = ReplyProbe(try await follower.reply())
                #expect(await reader.ended() == .complete)
                #expect(reader.payload == "{\"n\":\(name)}")
            }
            worker.expectIdle()
            worker.close()
        }
    }

    @Test("a kept stream is repeated in chunks")
    func storedStream() async throws {
        try await withWorker { worker in
            let lead = try await Asking(worker.gate, worker.question(1, keepsStreams: true)).lead()
            #expect(lead.begin(Head.stream))
            lead.append("data: 1\n\n")
            lead.append("data: [DONE]\n\n")
            lead.end(.complete)
            let reply = try await Asking(worker.gate, worker.question(1, keepsStreams: true)).reply()
            #expect(reply.head.framing == .chunked)
            let reader = ReplyProbe(reply)
            #expect(await reader.ended() == .complete)
            #expect(reader.payload == "data: 1\n\ndata: [DONE]\n\n")
            #expect(reader.raw == "17\r\ndata: 1\n\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        }
    }

    @Test("who wants a fresh answer gets one, and it refreshes the entry")
    func skip() async throws {
        try await withWorker { worker in
            try await worker.fetch(1, "old")
            let lead = try await Asking(worker.gate, worker.question(1, lookup: .skip)).lead()
            #expect(lead.begin(Head.whole()))
            lead.append("new")
            lead.end(.complete)
            #expect(try await worker.read(1) == "new")
        }
    }

    @Test(
        "answers that are no complete success are not kept",
        arguments: [
            "HTTP/1.1 500 E\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 404 N\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 206 P\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        ]
    )
    func notKept(head: String) async throws {
        try await withWorker { worker in
            let lead = try await Asking(worker.gate, worker.question(1)).lead()
            #expect(!lead.begin(try Head.parsed(head)))
            worker.expectIdle()
            _ = try await Asking(worker.gate, worker.question(1)).lead()
        }
    }

    @Test("an answer that grows beyond the bound is not kept, and neither is one that failed")
    func tooLarge() async throws {
        try await withWorker(bounds: { $0.entry = 10 }) { worker in
            let lead = try await Asking(worker.gate, worker.question(1)).lead()
            #expect(lead.begin(try Head.parsed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")))
            lead.append("12345678")
            lead.append("901")
            lead.end(.complete)
            worker.expectIdle()
            let second = try await Asking(worker.gate, worker.question(1)).lead()
            #expect(second.begin(Head.whole()))
            second.append("half")
            second.end(.failed)
            worker.expectIdle()
            _ = try await Asking(worker.gate, worker.question(1)).lead()
        }
    }

    @Test("a damaged entry is a miss and is replaced")
    func damaged() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await Worker(server)
            try server.command(
                "SET", StoreFixture.prefix + "answer:1:" + String(repeating: "01", count: 32), "garbage"
            )
            try await worker.fetch(1, "good")
            #expect(try await worker.read(1) == "good")
            worker.close()
        }
    }

    @Test("a request that asks for nothing is not asked about")
    func nothingToAsk() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await Worker(server)
            server.freeze()
            let question = GateQuestion(account: StoreFixture.account, gateway: StoreFixture.gateway)
            guard case .call(nil) = try await worker.gate.open(question, cancel: CancelHook()) else {
                Issue.record("something was asked")
                return
            }
            server.thaw()
            worker.close()
        }
    }

    // MARK: Sharing in one worker

    @Test("equal requests of one worker make one call and count once")
    func coalescing() async throws {
        try await withWorker { worker in
            let rule = RateRule(name: "gateway", limit: 1, interval: 1_000_000, technique: .fixed)
            let all = (0..<100).map { _ in Asking(worker.gate, worker.question(1, limits: [rule])) }
            let lead = try await all[0].lead()
            #expect(lead.begin(Head.whole()))
            #expect(lead.isAwaited)
            // Later than the answer's beginning, earlier than its end.
            let late = Asking(worker.gate, worker.question(1, limits: [rule]))
            lead.append("shared")
            await worker.settle()
            lead.end(.complete)
            for asking in all.dropFirst() + [late] {
                let reader = ReplyProbe(try await asking.reply())
                #expect(await reader.ended() == .complete)
                #expect(reader.payload == "shared")
            }
            worker.expectIdle()
        }
    }

    @Test("a stream is handed on as it comes, from its first byte to who joins late")
    func liveStream() async throws {
        try await withWorker { worker in
            let question = worker.question(1, keepsStreams: true)
            let lead = try await Asking(worker.gate, question).lead()
            #expect(lead.begin(Head.stream))
            lead.append("data: 1\n\n")
            let reader = ReplyProbe(try await Asking(worker.gate, question).reply())
            #expect(reader.payload == "data: 1\n\n")
            lead.append("data: 2\n\n")
            #expect(reader.payload == "data: 1\n\ndata: 2\n\n")
            let late = ReplyProbe(try await Asking(worker.gate, question).reply())
            #expect(late.payload == "data: 1\n\ndata: 2\n\n")
            #expect(lead.isAwaited)
            lead.end(.complete)
            #expect(await reader.ended() == .complete)
            #expect(await late.ended() == .complete)
            #expect(reader.raw == "9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n")
            worker.expectIdle()
        }
    }

    @Test("a reader that stops reading gets nothing until it goes on")
    func backPressure() async throws {
        try await withWorker { worker in
            let question = worker.question(1, keepsStreams: true)
            let lead = try await Asking(worker.gate, question).lead()
            #expect(lead.begin(Head.stream))
            let reply = try await Asking(worker.gate, question).reply()
            let reader = ReplyProbe(reply)
            reply.setReading(false)
            lead.append("data: 1\n\n")
            lead.end(.complete)
            #expect(reader.payload == "")
            reply.setReading(true)
            #expect(await reader.ended() == .complete)
            #expect(reader.payload == "data: 1\n\n")
            // A large answer comes in portions, each only when the one before was taken.
            let large = String(repeating: "x", count: 200_000)
            try await worker.fetch(2, large)
            let portions = try await Asking(worker.gate, worker.question(2)).reply()
            let slow = ReplyProbe(portions, pausesAfterEach: true)
            #expect(slow.payload.utf8.count == 65_536)
            while slow.ending == nil { portions.setReading(true) }
            #expect(slow.payload == large)
            worker.expectIdle()
        }
    }

    @Test("who waits for an answer that is not to be shared asks on its own, counted and without a lease")
    func releasedFollowers() async throws {
        try await withWorker { worker in
            let rule = RateRule(name: "gateway", limit: 2, interval: 1_000_000, technique: .fixed)
            let question = worker.question(1, limits: [rule])
            let leader = Asking(worker.gate, question)
            let followers = [Asking(worker.gate, question), Asking(worker.gate, question)]
            let lead = try await leader.lead()
            await worker.settle()
            #expect(lead.isAwaited)
            #expect(!lead.begin(try Head.parsed("HTTP/1.1 500 E\r\nContent-Length: 0\r\n\r\n")))
            var called = 0
            var limited = 0
            for follower in followers {
                switch try await follower.opening() {
                case .call(nil): called += 1
                case .limited: limited += 1
                default: Issue.record("unexpected")
                }
            }
            #expect(called == 1)
            #expect(limited == 1)
            worker.expectIdle()
        }
    }

    @Test("a reader of a stream that breaks is told so and never sees an end")
    func brokenStream() async throws {
        try await withWorker { worker in
            let question = worker.question(1, keepsStreams: true)
            let lead = try await Asking(worker.gate, question).lead()
            #expect(lead.begin(Head.stream))
            lead.append("data: 1\n\n")
            let reader = ReplyProbe(try await Asking(worker.gate, question).reply())
            lead.end(.failed)
            #expect(await reader.ended() == .failed)
            #expect(reader.raw == "9\r\ndata: 1\n\n\r\n")
            worker.expectIdle()
        }
    }

    @Test("a stream that outgrows the bound goes on for who reads it, and is not kept")
    func outgrown() async throws {
        try await withWorker(bounds: { $0.entry = 20 }) { worker in
            let question = worker.question(1, keepsStreams: true)
            let lead = try await Asking(worker.gate, question).lead()
            #expect(lead.begin(Head.stream))
            lead.append("data: 1\n\n")
            let reader = ReplyProbe(try await Asking(worker.gate, question).reply())
            lead.append("data: 23456789\n\n")
            lead.append("data: 3\n\n")
            lead.end(.complete)
            #expect(await reader.ended() == .complete)
            #expect(reader.payload == "data: 1\n\ndata: 23456789\n\ndata: 3\n\n")
            _ = try await Asking(worker.gate, question).lead()
        }
    }

    @Test("who waits can leave, and a leader without an audience knows it")
    func cancelled() async throws {
        try await withWorker { worker in
            let lead = try await Asking(worker.gate, worker.question(1)).lead()
            let follower = Asking(worker.gate, worker.question(1))
            await worker.settle()
            #expect(lead.isAwaited)
            follower.cancel.cancel()
            await #expect(throws: GatewayError.self) { try await follower.finished() }
            #expect(!lead.isAwaited)
            lead.end(.failed)
        }
    }

    @Test("a lead that is dropped without a word is noticed and its followers begin again")
    func droppedLead() async throws {
        try await withWorker(bounds: { $0.renewal = .milliseconds(20) }) { worker in
            let leader = Asking(worker.gate, worker.question(1))
            let follower = Asking(worker.gate, worker.question(1))
            _ = try await leader.lead()
            leader.forget()
            _ = try await follower.lead()
        }
    }

    @Test("without coalescing every request calls, and the answer is kept all the same")
    func coalescingOff() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await Worker(server, coalescing: .off)
            let first = try await Asking(worker.gate, worker.question(1)).lead()
            let second = try await Asking(worker.gate, worker.question(1)).lead()
            #expect(first.begin(Head.whole()))
            first.append("one")
            first.end(.complete)
            #expect(try await worker.read(1) == "one")
            second.end(.failed)
            #expect(try await worker.read(1) == "one")
            #expect(try server.command("KEYS", "*lease*") == "")
            worker.close()
        }
    }

    @Test("beyond the memory for flights answers are passed on but not kept")
    func memory() async throws {
        try await withWorker(bounds: { $0.fetching = 100 }) { worker in
            let first = try await Asking(worker.gate, worker.question(1)).lead()
            #expect(first.begin(Head.whole(length: 90)))
            first.append(String(repeating: "x", count: 90))
            let second = try await Asking(worker.gate, worker.question(2)).lead()
            #expect(!second.begin(Head.whole(length: 11)))
            first.end(.complete)
            worker.expectIdle()
            let third = try await Asking(worker.gate, worker.question(2)).lead()
            #expect(third.begin(Head.whole(length: 11)))
            third.end(.failed)
        }
    }

    // MARK: Sharing between workers

    @Test("equal requests of several workers make one call")
    func fleet() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            var workers: [Worker] = []
            for _ in 0..<4 { workers.append(try await Worker(server) { $0.renewal = .milliseconds(20) }) }
            let askings = (0..<100).map { Asking(workers[$0 % 4].gate, workers[$0 % 4].question(1)) }
            let lead = try await askings[0].lead()
            #expect(lead.begin(Head.whole()))
            lead.append("shared")
            // The other workers' followers are known to the leader by the lease.
            let own = askings.enumerated().filter { $0.offset % 4 == 0 && $0.offset > 0 }.map(\.element)
            for asking in own { asking.cancel.cancel() }
            for asking in own { await #expect(throws: GatewayError.self) { try await asking.finished() } }
            while !lead.isAwaited { await workers[0].settle() }
            lead.end(.complete)
            for (index, asking) in askings.enumerated() where index % 4 != 0 {
                let reader = ReplyProbe(try await asking.reply())
                #expect(await reader.ended() == .complete)
                #expect(reader.payload == "shared")
            }
            for worker in workers {
                worker.expectIdle()
                worker.close()
            }
        }
    }

    @Test("a stream of one worker is read live by another, every byte once and in order")
    func remoteStream() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let (leader, follower) = (try await Worker(server), try await Worker(server))
            let lead = try await Asking(leader.gate, leader.question(1, keepsStreams: true)).lead()
            #expect(lead.begin(Head.stream))
            lead.append("data: 0\n\n")
            let reply = try await Asking(follower.gate, follower.question(1, keepsStreams: true)).reply()
            let reader = ReplyProbe(reply)
            var expected = "data: 0\n\n"
            for number in 1...5 {
                let event = "data: \(number)\n\n"
                lead.append(event)
                expected += event
                await reader.payload(reaches: expected.utf8.count)
                #expect(reader.payload == expected)
                #expect(reader.ending == nil)
            }
            lead.append("data: [DONE]\n\n")
            lead.end(.complete)
            #expect(await reader.ended() == .complete)
            #expect(reader.payload == expected + "data: [DONE]\n\n")
            leader.expectIdle()
            follower.expectIdle()
            leader.close()
            follower.close()
        }
    }

    /// Ends a worker's connection, and with it, sooner than in life, the lease that it no longer prolongs.
    @WorkerLoop
    private static func die(_ leader: Worker, _ server: RedisServer) throws {
        leader.close()
        try server.command("PEXPIRE", StoreFixture.prefix + "lease:1:" + String(repeating: "01", count: 32), "1")
    }

    @Test("when the leading worker vanishes, one of the followers takes its place")
    func leaderDies() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let leader = try await Worker(server, leaseLife: .seconds(5))
            let follower = try await Worker(server, leaseLife: .seconds(5))
            let lead = try await Asking(leader.gate, leader.question(1)).lead()
            let waiting = [
                Asking(follower.gate, follower.question(1)), Asking(follower.gate, follower.question(1)),
            ]
            await follower.settle()
            try Self.die(leader, server)
            let successor = try await waiting[0].lead()
            #expect(successor.begin(Head.whole()))
            successor.append("second try")
            successor.end(.complete)
            let reader = ReplyProbe(try await waiting[1].reply())
            #expect(await reader.ended() == .complete)
            #expect(reader.payload == "second try")
            lead.end(.failed)
            follower.expectIdle()
            follower.close()
        }
    }

    @Test("a follower that has passed bytes on fails with its leader")
    func leaderDiesInStream() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let leader = try await Worker(server, leaseLife: .seconds(5))
            let follower = try await Worker(server, leaseLife: .seconds(5))
            let question = leader.question(1, keepsStreams: true)
            let lead = try await Asking(leader.gate, question).lead()
            #expect(lead.begin(Head.stream))
            lead.append("data: 1\n\n")
            let reader = ReplyProbe(try await Asking(follower.gate, question).reply())
            await reader.payload(reaches: 9)
            try Self.die(leader, server)
            #expect(await reader.ended() == .failed)
            #expect(reader.payload == "data: 1\n\n")
            lead.end(.failed)
            follower.expectIdle()
            follower.close()
        }
    }

    @Test("followers elsewhere are freed when the answer is not to be shared")
    func remoteRelease() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let (leader, follower) = (try await Worker(server), try await Worker(server))
            let lead = try await Asking(leader.gate, leader.question(1)).lead()
            let waiting = Asking(follower.gate, follower.question(1))
            await follower.settle()
            #expect(!lead.begin(try Head.parsed("HTTP/1.1 429 E\r\nContent-Length: 0\r\n\r\n")))
            guard case .call(nil) = try await waiting.opening() else {
                Issue.record("the follower did not call on its own")
                return
            }
            follower.expectIdle()
            leader.close()
            follower.close()
        }
    }

    // MARK: Redis away

    @Test("a Redis that stands still costs one deadline; then calls pass or are refused as the operator chose")
    func paused() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let options = RedisConnection.Options()
            let allowing = try await Worker(server, options: options)
            let refusing = try await Worker(server, options: options, whenUnavailable: .refuse)
            let rule = RateRule(name: "gateway", limit: 1, interval: 1_000_000, technique: .fixed)
            server.freeze()
            for _ in 0..<3 {
                guard case .call(nil) = try await Asking(allowing.gate, allowing.question(1, limits: [rule])).opening()
                else {
                    Issue.record("the call did not pass")
                    return
                }
                let refused = Asking(refusing.gate, refusing.question(1, limits: [rule]))
                let error = await #expect(throws: GatewayError.self) { try await refused.finished() }
                #expect(error?.kind == .limitStateUnavailable)
                #expect(error?.origin == .store)
                // Nothing to check: nothing to refuse.
                guard case .call(nil) = try await Asking(refusing.gate, refusing.question(1)).opening() else {
                    Issue.record("the call did not pass")
                    return
                }
            }
            server.thaw()
            // Exact again as soon as the connection is back; on a busy machine it may be lost once more.
            var isCounted = false
            while !isCounted {
                while await allowing.fixture.watch.next() != .available {}
                switch try await Asking(allowing.gate, allowing.question(2, limits: [rule])).opening() {
                case .call(nil): break
                default: isCounted = true
                }
            }
            var isLimited = false
            while !isLimited {
                while await refusing.fixture.watch.next() != .available {}
                let again = Asking(refusing.gate, refusing.question(3, limits: [rule]))
                do {
                    guard case .limited = try await again.opening() else {
                        Issue.record("the limit of one was passed twice")
                        return
                    }
                    isLimited = true
                } catch let error as GatewayError {
                    #expect(error.kind == .limitStateUnavailable)
                }
            }
            allowing.close()
            refusing.close()
        }
    }

    @Test("a flight goes on when Redis goes away under it")
    func awayInFlight() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let worker = try await Worker(server)
            let lead = try await Asking(worker.gate, worker.question(1)).lead()
            let follower = Asking(worker.gate, worker.question(1))
            await worker.settle()
            server.crash()
            #expect(lead.begin(Head.whole()))
            lead.append("here")
            lead.end(.complete)
            let reader = ReplyProbe(try await follower.reply())
            #expect(await reader.ended() == .complete)
            #expect(reader.payload == "here")
            worker.expectIdle()
            worker.close()
        }
    }
}
