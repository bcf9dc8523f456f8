import GatewayCore
import Glibc
import ProcessRuntime
import Testing

@Suite struct SharedMemoryTests {
    @Test("what one mapping of a scoreboard writes, another reads")
    func twoMappings() throws {
        let file = try Scoreboard.create()
        let (worker, reader) = (
            try #require(Scoreboard(descriptor: file.number)), try #require(Scoreboard(descriptor: file.number))
        )
        let slot = worker.slot(63)
        slot.connections = 12
        slot.processID = 4711
        slot.generation = .max
        slot.state = .draining
        slot.snapshotVersion = .max
        slot.redisState = .unavailable
        slot.redisSince = Instant(microseconds: -5)
        slot.counters.add(511, 3)
        slot.counters.add(511, 4)
        slot.counters.set(0, 9)
        let seen = reader.slot(63)
        #expect(seen.connections == 12)
        #expect(seen.processID == 4711)
        #expect(seen.generation == .max)
        #expect(seen.state == .draining)
        #expect(seen.snapshotVersion == .max)
        #expect(seen.redisState == .unavailable)
        #expect(seen.redisSince == Instant(microseconds: -5))
        #expect(seen.counters.value(511) == 7)
        #expect(seen.counters.value(0) == 9)
        #expect(reader.slot(62).counters.value(511) == 0)
        #expect(reader.slot(0).connections == 0)
    }

    @Test("a counter out of range is ignored")
    func range() throws {
        let file = try Scoreboard.create()
        let board = try #require(Scoreboard(descriptor: file.number))
        board.slot(0).counters.add(512, 1)
        board.slot(0).counters.add(-1, 1)
        #expect(board.slot(0).counters.value(512) == 0)
        #expect(board.slot(1).connections == 0)
    }

    @Test("readers see a counter grow only, and all of it in the end")
    func monotonic() throws {
        let file = try Scoreboard.create()
        let writer = try #require(Scoreboard(descriptor: file.number)).slot(5).counters
        let reader = try #require(Scoreboard(descriptor: file.number)).slot(5).counters
        let total: UInt64 = 200_000
        let isMonotonic = try onOwnThread {
            for _ in 0..<total { writer.add(3, 1) }
            return reader.value(3) == total
        }
        #expect(isMonotonic)
        #expect(reader.value(3) == total)
    }

    @Test("another file is no scoreboard")
    func wrongFile() throws {
        let file = try InheritedBytes.seal([1, 2, 3], name: "small")
        #expect(Scoreboard(descriptor: file.number) == nil)
    }

    @Test("sealed bytes are read whole, any number of times, and cannot be changed")
    func sealed() throws {
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
        let file = try InheritedBytes.seal(bytes, name: "settings")
        #expect(InheritedBytes.read(descriptor: file.number) == bytes)
        #expect(InheritedBytes.read(descriptor: file.number) == bytes)
        #expect(pwrite(file.number, "x", 1, 0) < 0 && errno == EPERM)
        #expect(ftruncate(file.number, 1) < 0)
        let empty = try InheritedBytes.seal([], name: "empty")
        #expect(InheritedBytes.read(descriptor: empty.number) == [])
        #expect(InheritedBytes.read(descriptor: -1) == [])
    }
}
