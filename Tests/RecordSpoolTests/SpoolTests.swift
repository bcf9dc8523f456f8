import Foundation
import GatewayCore
import NIOCore
import RecordSpool
import Testing

@Suite("Spool", .onWorkerLoop)
struct SpoolTests {
    @Test("a record comes out as it went in, once it is flushed and not before")
    @WorkerLoop
    func roundTrip() throws {
        let spool = SpoolFixture()
        let observer = CountingObserver()
        let writer = try SpoolWriter(directory: spool.directory, limit: 1 << 30, observer: observer)
        let follower = try spool.follower()
        let record = SpoolFixture.record(1)
        #expect(writer.append(record))
        #expect(follower.read(maxRecords: 10, maxBytes: 1 << 20).payloads.isEmpty)
        writer.flush()
        let batch = follower.read(maxRecords: 10, maxBytes: 1 << 20)
        #expect(batch.payloads.map { RequestRecord(decoding: $0) } == [record])
        #expect(follower.read(maxRecords: 10, maxBytes: 1 << 20).payloads.isEmpty)
        #expect(observer.spooled == 1)
        writer.close()
    }

    @Test("the first record after each flush asks for the next one")
    @WorkerLoop
    func scheduling() throws {
        let spool = SpoolFixture()
        var asked = 0
        let writer = try SpoolWriter(
            directory: spool.directory, limit: 1 << 30, observer: CountingObserver(), scheduleFlush: { asked += 1 }
        )
        writer.append(SpoolFixture.record(1))
        writer.append(SpoolFixture.record(2))
        #expect(asked == 1)
        writer.flush()
        writer.flush()
        #expect(asked == 1)
        writer.append(SpoolFixture.record(3))
        #expect(asked == 2)
        writer.close()
    }

    @Test("a batch that was not committed is handed out again by the next follower, a committed one is not")
    @WorkerLoop
    func atLeastOnce() throws {
        let spool = SpoolFixture()
        let writer = try SpoolWriter(directory: spool.directory, limit: 1 << 30, observer: CountingObserver())
        for number in 1...10 { writer.append(SpoolFixture.record(number)) }
        writer.flush()
        let first = try spool.follower()
        #expect(SpoolFixture.numbers(first.read(maxRecords: 4, maxBytes: 1 << 20)) == [1, 2, 3, 4])
        try first.commit()
        #expect(SpoolFixture.numbers(first.read(maxRecords: 3, maxBytes: 1 << 20)) == [5, 6, 7])
        first.rewind()
        #expect(SpoolFixture.numbers(first.read(maxRecords: 2, maxBytes: 1 << 20)) == [5, 6])
        first.close()
        let second = try spool.follower()
        #expect(SpoolFixture.numbers(second.read(maxRecords: 100, maxBytes: 1 << 20)) == [5, 6, 7, 8, 9, 10])
        try second.commit()
        second.close()
        try Data("damaged".utf8).write(to: URL(fileURLWithPath: spool.directory + "/checkpoint"))
        let third = try spool.follower()
        #expect(SpoolFixture.numbers(third.read(maxRecords: 100, maxBytes: 1 << 20)) == Array(1...10))
        writer.close()
    }

    @Test("what may have been handed out before is told from what is new")
    @WorkerLoop
    func novelty() throws {
        let spool = SpoolFixture()
        let writer = try SpoolWriter(directory: spool.directory, limit: 1 << 30, observer: CountingObserver())
        let first = try spool.follower()
        for number in 1...6 { writer.append(SpoolFixture.record(number)) }
        writer.flush()
        #expect(first.read(maxRecords: 4, maxBytes: 1 << 20).novelty == .new)
        // What is handed out again is not new; what follows it in the same read is not told apart.
        first.rewind()
        #expect(first.read(maxRecords: 3, maxBytes: 1 << 20).novelty == .mayRepeat)
        try first.commit()
        #expect(first.read(maxRecords: 2, maxBytes: 1 << 20).novelty == .mayRepeat)
        try first.commit()
        #expect(first.read(maxRecords: 1, maxBytes: 1 << 20).novelty == .new)
        try first.commit()
        writer.append(SpoolFixture.record(7))
        writer.flush()
        first.close()
        // A follower does not know what the one before did with what it finds.
        let second = try spool.follower()
        writer.append(SpoolFixture.record(8))
        writer.flush()
        let found = second.read(maxRecords: 1, maxBytes: 1 << 20)
        #expect(SpoolFixture.numbers(found) == [7] && found.novelty == .mayRepeat)
        #expect(second.read(maxRecords: 1, maxBytes: 1 << 20).novelty == .new)
        #expect(second.read(maxRecords: 1, maxBytes: 1 << 20).novelty == .new, "nothing is not old")
        writer.close()
    }

    @Test("a secured checkpoint stands when the other one is lost, and removed segments stay known until then")
    @WorkerLoop
    func secured() throws {
        let spool = SpoolFixture()
        let checkpoint = URL(fileURLWithPath: spool.directory + "/checkpoint")
        let writer = try SpoolWriter(
            directory: spool.directory, limit: 1 << 30, rotateAt: 3000, observer: CountingObserver())
        for number in 1...10 {
            writer.append(SpoolFixture.record(number))
            writer.flush()
        }
        let first = try spool.follower()
        let names = spool.segments
        let contents = try names.map { try Data(contentsOf: URL(fileURLWithPath: spool.directory + "/" + $0)) }
        #expect(SpoolFixture.numbers(first.read(maxRecords: 100, maxBytes: 1 << 20)).sorted() == Array(1...10))
        try first.commit()
        _ = first.read(maxRecords: 100, maxBytes: 1 << 20)
        #expect(spool.segments.count == 1 && first.hasRemovedSegments)
        writer.append(SpoolFixture.record(11))
        writer.flush()
        #expect(SpoolFixture.numbers(first.read(maxRecords: 100, maxBytes: 1 << 20)) == [11])
        try first.commit()
        first.close()
        // Power fails: the file system forgot that segments were removed, and keeps the checkpoint.
        for (name, content) in zip(names, contents) where !spool.segments.contains(name) {
            try content.write(to: URL(fileURLWithPath: spool.directory + "/" + name))
        }
        let second = try spool.follower()
        #expect(second.read(maxRecords: 100, maxBytes: 1 << 20).payloads.isEmpty)
        #expect(spool.segments.count == 1)
        try second.secure()
        #expect(!second.hasRemovedSegments)
        writer.append(SpoolFixture.record(12))
        writer.flush()
        #expect(SpoolFixture.numbers(second.read(maxRecords: 100, maxBytes: 1 << 20)) == [12])
        try second.commit()
        second.close()
        // Power fails: the disk never got what the last checkpoint's file was to hold.
        try Data().write(to: checkpoint)
        let third = try spool.follower()
        #expect(SpoolFixture.numbers(third.read(maxRecords: 100, maxBytes: 1 << 20)) == [12])
        writer.close()
    }

    @Test("only one follower owns a spool at a time")
    @WorkerLoop
    func ownership() throws {
        let spool = SpoolFixture()
        let first = try spool.follower()
        let second = try SpoolFollower(directory: spool.directory)
        #expect(try second.acquire() == .heldByOther)
        first.close()
        #expect(try second.acquire() == .owned)
    }

    @Test("segments rotate, are read in order, and vanish when they are stored and their worker is gone")
    @WorkerLoop
    func rotation() throws {
        let spool = SpoolFixture()
        let writer = try SpoolWriter(
            directory: spool.directory, limit: 1 << 30, rotateAt: 5000, observer: CountingObserver()
        )
        for number in 1...100 {
            writer.append(SpoolFixture.record(number))
            writer.flush()
        }
        #expect(spool.segments.count > 5)
        let follower = try spool.follower()
        var seen: [Int] = []
        while true {
            let batch = follower.read(maxRecords: 7, maxBytes: 1 << 20)
            if batch.payloads.isEmpty { break }
            seen += SpoolFixture.numbers(batch)
            try follower.commit()
        }
        #expect(seen.sorted() == Array(1...100))
        #expect(Set(seen).count == 100)
        _ = follower.read(maxRecords: 7, maxBytes: 1 << 20)
        #expect(spool.segments.count == 1)
        #expect(follower.backlogBytes == 0)
        writer.close()
        _ = follower.read(maxRecords: 7, maxBytes: 1 << 20)
        _ = follower.read(maxRecords: 7, maxBytes: 1 << 20)
        #expect(spool.segments.isEmpty)
        #expect(spool.workerFolders.isEmpty)
    }

    @Test("several workers are read side by side")
    @WorkerLoop
    func manyWorkers() throws {
        let spool = SpoolFixture()
        let writers = try (0..<4).map { _ in
            try SpoolWriter(directory: spool.directory, limit: 1 << 30, observer: CountingObserver())
        }
        for number in 0..<40 { writers[number % 4].append(SpoolFixture.record(number)) }
        for writer in writers { writer.flush() }
        let follower = try spool.follower()
        #expect(SpoolFixture.numbers(follower.read(maxRecords: 100, maxBytes: 1 << 20)).sorted() == Array(0..<40))
        for writer in writers { writer.close() }
    }

    @Test("the torn tail of a dead worker is skipped, of a living one waited for")
    @WorkerLoop
    func tornTail() throws {
        let spool = SpoolFixture()
        let writer = try SpoolWriter(directory: spool.directory, limit: 1 << 30, observer: CountingObserver())
        for number in 1...3 { writer.append(SpoolFixture.record(number)) }
        writer.flush()
        let path = spool.directory + "/" + (try #require(spool.segments.first))
        let size = try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
        #expect(truncate(path, off_t(size - 5)) == 0)
        let follower = try spool.follower()
        let living = follower.read(maxRecords: 100, maxBytes: 1 << 20)
        #expect(SpoolFixture.numbers(living) == [1, 2])
        #expect(living.skippedBytes == 0)
        try follower.commit()
        writer.close()
        let dead = follower.read(maxRecords: 100, maxBytes: 1 << 20)
        #expect(dead.payloads.isEmpty)
        #expect(dead.skippedBytes > 100)
        try follower.commit()
        _ = follower.read(maxRecords: 100, maxBytes: 1 << 20)
        #expect(spool.segments.isEmpty)
    }

    @Test(
        "a damaged record costs itself and nothing behind it, wherever the damage is", arguments: [0, 3, 5, 9, 13, 400])
    @WorkerLoop
    func damage(offset: Int) throws {
        let spool = SpoolFixture()
        let writer = try SpoolWriter(directory: spool.directory, limit: 1 << 30, observer: CountingObserver())
        writer.append(SpoolFixture.record(1))
        writer.flush()
        let path = spool.directory + "/" + (try #require(spool.segments.first))
        let start = try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
        for number in 2...4 { writer.append(SpoolFixture.record(number)) }
        writer.close()
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes[start + offset] ^= 0x5a
        try bytes.write(to: URL(fileURLWithPath: path))
        let follower = try spool.follower()
        var seen: [Int] = []
        var skipped = 0
        for _ in 0..<5 {
            let batch = follower.read(maxRecords: 100, maxBytes: 1 << 20)
            seen += SpoolFixture.numbers(batch)
            skipped += batch.skippedBytes
            try follower.commit()
        }
        #expect(seen == [1, 3, 4])
        #expect(skipped > 0)
        #expect(spool.segments.isEmpty)
    }

    @Test("whatever bytes lie in a segment, reading ends and sound records around them are found")
    @WorkerLoop
    func noise() throws {
        var random = SystemRandomNumberGenerator()
        for round in 0..<50 {
            let spool = SpoolFixture()
            let writer = try SpoolWriter(directory: spool.directory, limit: 1 << 30, observer: CountingObserver())
            writer.append(SpoolFixture.record(1))
            writer.close()
            let path = spool.directory + "/" + (try #require(spool.segments.first))
            let sound = try Data(contentsOf: URL(fileURLWithPath: path))
            // Half of the rounds sprinkle the frame's mark into the noise.
            var noise = Data(
                (0..<Int.random(in: 0...3000, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) })
            if round % 2 == 0 { for _ in 0..<5 { noise += sound.prefix(Int.random(in: 4...11, using: &random)) } }
            try (noise + sound + noise.prefix(20)).write(to: URL(fileURLWithPath: path))
            let follower = try spool.follower()
            #expect(SpoolFixture.numbers(follower.read(maxRecords: 100, maxBytes: 1 << 20)) == [1])
        }
    }

    @Test("beyond the limit records are dropped and counted; once the follower has made room they are taken again")
    @WorkerLoop
    func limit() async throws {
        let spool = SpoolFixture()
        let observer = CountingObserver()
        let writer = try SpoolWriter(directory: spool.directory, limit: 20_000, rotateAt: 4000, observer: observer)
        var accepted = 0
        for number in 1...100 {
            if writer.append(SpoolFixture.record(number)) { accepted += 1 }
            writer.flush()
        }
        #expect(accepted > 20)
        #expect(accepted < 50)
        #expect(observer.dropped[.spoolFull] == 100 - accepted)
        let size = spool.segments.reduce(0) {
            $0 + ((try? FileManager.default.attributesOfItem(atPath: spool.directory + "/" + $1)[.size] as? Int) ?? 0)
        }
        #expect(size <= 20_000)
        let follower = try spool.follower()
        var seen = 0
        for _ in 0..<20 {
            seen += follower.read(maxRecords: 100, maxBytes: 1 << 20).payloads.count
            try follower.commit()
        }
        #expect(seen == accepted)
        try await Task.sleep(for: .milliseconds(150))
        #expect(writer.append(SpoolFixture.record(101)))
        writer.close()
    }

    @Test("a failing disk costs the records that did not fit, never the file's soundness")
    @WorkerLoop
    func diskFull() throws {
        let spool = SpoolFixture()
        let observer = CountingObserver()
        let writer = try SpoolWriter(directory: spool.directory, limit: 1 << 30, observer: observer)
        writer.append(SpoolFixture.record(1))
        writer.flush()
        // A file size limit makes write(2) fall short in the middle of a record, like a full disk.
        let path = spool.directory + "/" + (try #require(spool.segments.first))
        let size = try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
        var before = rlimit()
        getrlimit(__rlimit_resource_t(1), &before)
        signal(SIGXFSZ, SIG_IGN)
        var tight = rlimit(rlim_cur: rlim_t(size * 2 + size / 2), rlim_max: before.rlim_max)
        for number in 2...5 { writer.append(SpoolFixture.record(number)) }
        setrlimit(__rlimit_resource_t(1), &tight)
        writer.flush()
        setrlimit(__rlimit_resource_t(1), &before)
        #expect(observer.dropped[.writeFailed] == 3)
        writer.append(SpoolFixture.record(6))
        writer.close()
        let follower = try spool.follower()
        let batch = follower.read(maxRecords: 100, maxBytes: 1 << 20)
        #expect(SpoolFixture.numbers(batch) == [1, 2, 6])
        #expect(batch.skippedBytes == 0)
    }

    @Test("large bodies pass, absurd ones are refused")
    @WorkerLoop
    func largeRecords() throws {
        let spool = SpoolFixture()
        let observer = CountingObserver()
        let writer = try SpoolWriter(directory: spool.directory, limit: 1 << 30, observer: observer)
        #expect(writer.append(SpoolFixture.record(1, body: 10 << 20)))
        #expect(!writer.append(SpoolFixture.record(2, body: 40 << 20)))
        #expect(writer.append(SpoolFixture.record(3)))
        writer.close()
        #expect(observer.dropped[.tooLarge] == 1)
        let follower = try spool.follower()
        var seen: [Int] = []
        for _ in 0..<3 { seen += SpoolFixture.numbers(follower.read(maxRecords: 100, maxBytes: 1 << 20)) }
        #expect(seen == [1, 3])
    }

    @Test("rejected records are kept aside and can be read back")
    func rejected() throws {
        let spool = SpoolFixture()
        let follower = try spool.follower()
        let rejected = RejectedRecords(spoolDirectory: spool.directory)
        #expect(rejected.add(ByteBuffer(string: "one")) == .kept)
        #expect(rejected.add(ByteBuffer(string: "two")) == .kept)
        #expect(rejected.load().map { String(buffer: $0) } == ["one", "two"])
        #expect(follower.read(maxRecords: 10, maxBytes: 1000).payloads.isEmpty)
    }
}
