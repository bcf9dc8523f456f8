import GatewayCore
import RedisStore
import TestKit
import Testing
import WorkerRuntime

@Suite("Requests per gateway and day")
struct RedisRequestCounterTests {
    @WorkerLoop
    private static func connected(to server: RedisServer) async throws -> RedisConnection {
        let watch = StoreWatch()
        var options = RedisConnection.Options()
        options.deadline = .seconds(20)
        options.connectDeadline = .seconds(20)
        let connection = try RedisConnection(
            RedisEndpoint(address: .unix(path: server.socketPath)), loop: TestLoop.loop, observer: watch,
            clock: SystemClock(), options: options
        )
        connection.start()
        #expect(await watch.next() == .available)
        return connection
    }

    @Test("requests are added up and written under the gateway's key with a limited life")
    func counting() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let connection = try await Self.connected(to: server)
            let account: AccountID = "0123456789abcdef0123456789abcdef"
            let counter = RedisRequestCounter(
                connection, clock: FixedClock(Instant(milliseconds: 1_795_392_000_123)),
                timers: LoopTimer(loop: TestLoop.loop)
            )
            // The server's own clock brackets the writes, however long the test waits for a processor.
            let before = try Self.milliseconds(of: server)
            for _ in 0..<70 { counter.count("search", of: account) }
            for _ in 0..<5 { counter.count("chat", of: account) }
            counter.count("search", of: account)
            counter.flush()
            counter.count("search", of: account)
            counter.flush()
            // Answered after everything sent before it.
            #expect(await connection.send(RedisCommand("PING")) == .status("PONG"))
            let key = "aig:{0123456789abcdef0123456789abcdef/search}:requests:20261123"
            #expect(try server.command("GET", key) == "72")
            let after = try Self.milliseconds(of: server)
            let end = try #require(Int(try server.command("PEXPIRETIME", key)))
            #expect((before + 259_200_000...after + 259_200_000).contains(end))
            #expect(try server.command("GET", "aig:{0123456789abcdef0123456789abcdef/chat}:requests:20261123") == "5")
            connection.close()
        }
    }

    /// The server's clock, in whole milliseconds since 1970.
    private static func milliseconds(of server: RedisServer) throws -> Int {
        let time = try server.command("TIME").split(whereSeparator: \.isNewline).compactMap { Int($0) }
        try #require(time.count == 2)
        return time[0] * 1000 + time[1] / 1000
    }

    @Test("the timer flushes by itself")
    func timer() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let connection = try await Self.connected(to: server)
            let timers = HeldTimers()
            let counter = RedisRequestCounter(connection, clock: SystemClock(), timers: timers)
            counter.count("a", of: "b")
            counter.count("a", of: "b")
            #expect(timers.pending.count == 1)
            timers.fire()
            #expect(await connection.send(RedisCommand("DBSIZE")) == .integer(1))
            counter.count("a", of: "b")
            #expect(timers.pending.count == 1)
            connection.close()
        }
    }

    @Test(
        "days are named by the Gregorian calendar in UTC",
        arguments: [
            (0, "19700101"), (86_399_999, "19700101"), (86_400_000, "19700102"), (-1, "19691231"),
            (951_782_400_000, "20000229"), (1_709_164_800_000, "20240229"), (1_735_689_599_999, "20241231"),
            (4_102_444_800_000, "21000101"), (4_107_542_400_000, "21000301"),
        ] as [(Int64, String)]
    )
    func days(milliseconds: Int64, name: String) {
        #expect(CalendarDay(Instant(milliseconds: milliseconds)).description == name)
    }
}

/// Timers that go off when a test says so.
@WorkerLoop
private final class HeldTimers: Timers {
    private(set) var pending: [@WorkerLoop () -> Void] = []

    func after(_ delay: Duration, _ action: @escaping @WorkerLoop () -> Void) -> CancelHook {
        pending.append(action)
        return CancelHook()
    }

    func fire() {
        let due = pending
        pending = []
        for action in due { action() }
    }
}
