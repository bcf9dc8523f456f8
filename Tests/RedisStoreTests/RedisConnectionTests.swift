import GatewayCore
import NIOCore
import RedisStore
import TestKit
import Testing
import WorkerRuntime

@Suite("The worker's connection to Redis", .timeLimit(.minutes(1)))
struct RedisConnectionTests {
    /// Patience for tests whose subject is not the deadline: the machine may be busy.
    private static let patient: RedisConnection.Options = {
        var options = RedisConnection.Options()
        options.deadline = .seconds(20)
        options.connectDeadline = .seconds(20)
        return options
    }()

    /// A connection that has answered its first commands.
    @WorkerLoop
    private static func connected(
        to server: RedisServer, flush: RedisConnection.FlushPolicy = .eachTick, password: String? = nil,
        database: Int = 0, options: RedisConnection.Options = patient
    ) async throws -> (RedisConnection, StoreWatch) {
        let watch = StoreWatch()
        let endpoint = RedisEndpoint(
            address: .unix(path: server.socketPath), password: password.map { Secret($0) }, database: database
        )
        let connection = try RedisConnection(
            endpoint, loop: TestLoop.loop, observer: watch, clock: SystemClock(), flush: flush,
            options: options
        )
        #expect(connection.health.state == .unknown)
        connection.start()
        #expect(await watch.next() == .available)
        #expect(connection.health.state == .available)
        return (connection, watch)
    }

    @Test("commands are answered in order, whatever bytes they hold")
    func commands() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let (connection, _) = try await Self.connected(to: server)
            var set = RedisCommand("SET", "key")
            let value = ByteBuffer(bytes: Array(0...255) + Array("\r\n$5\r\n".utf8))
            set.append(value)
            #expect(await connection.send(set) == .status("OK"))
            #expect(await connection.send(RedisCommand("GET", "key")) == .bytes(value))
            #expect(await connection.send(RedisCommand("GET", "absent")) == .null)
            #expect(await connection.send(RedisCommand("INCRBY", "number", "41")) == .integer(41))
            #expect(await connection.send(RedisCommand("SET", "empty", "")) == .status("OK"))
            #expect(await connection.send(RedisCommand("GET", "empty")) == .bytes(ByteBuffer()))
            let reply = await connection.send(RedisCommand("MGET", "number", "absent"))
            #expect(reply == .array([.bytes(ByteBuffer(string: "41")), .null]))
            let refused = await connection.send(RedisCommand("INCR", "key"))
            #expect(refused?.errorCode == "ERR")
            let wrong = await connection.send(RedisCommand("LPUSH", "key", "x"))
            #expect(wrong?.errorCode == "WRONGTYPE")
            #expect(connection.health.state == .available)
            connection.close()
        }
    }

    @Test("everything asked in one tick leaves in one write and is answered in order")
    func pipelining() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let (connection, _) = try await Self.connected(to: server)
            let before = try Self.figure("total_reads_processed", server)
            let answers = await withCheckedContinuation { (continuation: CheckedContinuation<[Int], Never>) in
                var answers: [Int] = []
                for number in 1...500 {
                    connection.send(RedisCommand("ECHO", "\(number)")) { reply in
                        answers.append(reply?.text.flatMap { Int($0) } ?? -1)
                        if number == 500 { continuation.resume(returning: answers) }
                    }
                }
            }
            #expect(answers == Array(1...500))
            // The outside look itself costs reads: one or two of them per `redis-cli`.
            #expect(try Self.figure("total_reads_processed", server) - before < 10)
            connection.close()
        }
    }

    private static func figure(_ name: String, _ server: RedisServer) throws -> Int {
        let line = try server.command("INFO", "stats").split(whereSeparator: \.isNewline).first {
            $0.hasPrefix(name + ":")
        }
        return try #require(line.flatMap { Int($0.dropFirst(name.count + 1)) })
    }

    @Test("an owner that flushes itself decides when commands leave")
    func ownerFlushes() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let (connection, _) = try await Self.connected(to: server, flush: .byOwner)
            let reply = await withCheckedContinuation { continuation in
                connection.send(RedisCommand("PING")) { continuation.resume(returning: $0) }
                connection.flush()
            }
            #expect(reply == .status("PONG"))
            connection.close()
        }
    }

    @Test("a server that stands still costs what waits one deadline, and later operations nothing")
    func frozenServer() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            var options = RedisConnection.Options()
            options.connectDeadline = .seconds(20)
            let (connection, watch) = try await Self.connected(to: server, options: options)
            server.freeze()
            let clock = ContinuousClock()
            let start = clock.now
            async let first = connection.send(RedisCommand("PING"))
            async let second = connection.send(RedisCommand("PING"))
            #expect(await first == nil)
            #expect(await second == nil)
            let waited = clock.now - start
            #expect(waited >= .milliseconds(15))
            // The server is still frozen: without a deadline neither would have come back at all.
            let event = try #require(await watch.next())
            #expect(event == .unavailable("no answer within 0.02 seconds"))
            // Refused within the call: nothing is waited for.
            var refused = 0
            for _ in 0..<1000 { connection.send(RedisCommand("PING")) { if $0 == nil { refused += 1 } } }
            #expect(refused == 1000)
            guard case .unavailable = connection.health.state else {
                Issue.record("\(connection.health.state)")
                return
            }
            server.thaw()
            // On a busy machine an answer may be late again; then the connection comes back once more.
            var reply: RedisReply?
            while reply == nil, let event = await watch.next() {
                if event == .available { reply = await connection.send(RedisCommand("PING")) }
            }
            #expect(reply == .status("PONG"))
            connection.close()
        }
    }

    @Test("a crashed server is noticed at once and used again when it is back")
    func crash() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let (connection, watch) = try await Self.connected(to: server)
            server.crash()
            #expect(await watch.next()?.isUnavailable == true)
            #expect(await connection.send(RedisCommand("PING")) == nil)
            try server.start()
            #expect(await watch.next() == .available)
            #expect(await connection.send(RedisCommand("PING")) == .status("PONG"))
            connection.close()
        }
    }

    @Test("what waits while the connection breaks is told so, each exactly once")
    func brokenWhileWaiting() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let (connection, watch) = try await Self.connected(to: server)
            server.freeze()
            var answers = 0
            for _ in 0..<100 { connection.send(RedisCommand("PING")) { reply in if reply == nil { answers += 1 } } }
            server.crash()
            #expect(await watch.next()?.isUnavailable == true)
            #expect(answers == 100)
            connection.close()
        }
    }

    @Test("password and database are sent before anything else")
    func login() async throws {
        let server = try RedisServer(password: "s3cret pass")
        try await TestLoop.run {
            let (connection, _) = try await Self.connected(to: server, password: "s3cret pass", database: 3)
            #expect(await connection.send(RedisCommand("SET", "where", "here")) == .status("OK"))
            #expect(try server.command("-n", "3", "GET", "where") == "here")
            connection.close()
        }
    }

    @Test("a wrong password leaves Redis unavailable, with a reason that does not hold it")
    func wrongPassword() async throws {
        let server = try RedisServer(password: "right")
        try await TestLoop.run {
            let watch = StoreWatch()
            let connection = try RedisConnection(
                RedisEndpoint(address: .unix(path: server.socketPath), password: Secret("hunter2")),
                loop: TestLoop.loop, observer: watch, clock: SystemClock(), options: Self.patient
            )
            connection.start()
            let event = await watch.next()
            guard case .unavailable(let reason)? = event else {
                Issue.record("\(String(describing: event))")
                return
            }
            #expect(reason.hasPrefix("AUTH was refused: WRONGPASS"))
            #expect(!reason.contains("hunter2"))
            #expect(await connection.send(RedisCommand("PING")) == nil)
            connection.close()
        }
    }

    @Test("a server that is not there yet is found once it starts")
    func lateServer() async throws {
        let server = try RedisServer()
        server.crash()
        try await TestLoop.run {
            let watch = StoreWatch()
            let connection = try RedisConnection(
                RedisEndpoint(address: .unix(path: server.socketPath)), loop: TestLoop.loop, observer: watch,
                clock: SystemClock()
            )
            connection.start()
            #expect(await watch.next()?.isUnavailable == true)
            try server.start()
            #expect(await watch.next() == .available)
            connection.close()
        }
    }

    @Test("more operations than the bound are refused instead of kept")
    func bound() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let watch = StoreWatch()
            var options = Self.patient
            options.maxWaiting = 10
            let connection = try RedisConnection(
                RedisEndpoint(address: .unix(path: server.socketPath)), loop: TestLoop.loop, observer: watch,
                clock: SystemClock(), options: options
            )
            connection.start()
            #expect(await watch.next() == .available)
            var refused = 0
            for _ in 0..<15 { connection.send(RedisCommand("PING")) { reply in if reply == nil { refused += 1 } } }
            #expect(refused == 5)
            connection.close()
        }
    }

    @Test("a closed connection answers nothing and does not come back")
    func closing() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let (connection, _) = try await Self.connected(to: server)
            connection.close()
            #expect(await connection.send(RedisCommand("PING")) == nil)
            connection.start()
            #expect(await connection.send(RedisCommand("PING")) == nil)
        }
    }

    @Test("other processes can ask once whether Redis answers")
    func probe() async throws {
        let server = try RedisServer(password: "right")
        let good = RedisEndpoint(address: .unix(path: server.socketPath), password: Secret("right"))
        try await RedisProbe.ping(good, within: .seconds(20))
        let bad = RedisEndpoint(address: .unix(path: server.socketPath), password: Secret("wrong"))
        await #expect(throws: RedisStoreError.self) { try await RedisProbe.ping(bad) }
        server.freeze()
        await #expect(throws: RedisStoreError("no answer within 0.05 seconds")) {
            try await RedisProbe.ping(good, within: .milliseconds(50))
        }
        server.crash()
        await #expect(throws: RedisStoreError.self) { try await RedisProbe.ping(good) }
    }
}
