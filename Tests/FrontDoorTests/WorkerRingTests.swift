import FrontDoor
import ProcessRuntime
import Testing

@Suite struct WorkerRingTests {
    private let start = MonotonicTime(microseconds: 0)

    private func ring(_ workers: Int) -> WorkerRing {
        var ring = WorkerRing()
        for slot in 0..<workers { _ = ring.add(slot: slot, generation: 1, descriptor: Int32(100 + slot), now: start) }
        return ring
    }

    @Test("the worker with the fewest connections is chosen")
    func fewest() {
        var ring = ring(3)
        #expect(ring.choose(now: start) { [5, 2, 9][$0] } == 101)
        #expect(ring.choose(now: start) { [5, 7, 1][$0] } == 102)
    }

    @Test("equals take turns")
    func turns() {
        var ring = ring(3)
        #expect((0..<6).map { _ in ring.choose(now: start) { _ in 4 } } == [100, 101, 102, 100, 101, 102])
    }

    @Test("connections that were sent count before the worker has counted them")
    func underWay() {
        var sent = [0, 0]
        var ring = ring(2)
        for _ in 0..<10 {
            guard let chosen = ring.choose(now: start, connections: { [0, 4][$0] }) else { break }
            sent[Int(chosen - 100)] += 1
            ring.countSent(descriptor: chosen, now: start)
        }
        #expect(sent == [7, 3])
    }

    @Test("what the worker has counted is not counted twice, and what ended is forgotten")
    func counted() {
        var ring = ring(2)
        for _ in 0..<4 { ring.countSent(descriptor: 100, now: start) }
        #expect(ring.choose(now: start) { [4, 5][$0] } == 100)
        for _ in 0..<4 { ring.countSent(descriptor: 100, now: start) }
        // They came and went without the scoreboard showing them.
        #expect(ring.choose(now: start + .milliseconds(10)) { [4, 5][$0] } == 101)
        #expect(ring.choose(now: start + .milliseconds(30)) { [4, 5][$0] } == 100)
    }

    @Test("a full socket is passed over until it is writable")
    func full() {
        var ring = ring(2)
        ring.markFull(descriptor: 100)
        #expect(ring.choose(now: start) { [0, 9][$0] } == 101)
        ring.markFull(descriptor: 101)
        #expect(!ring.hasOpenWorker)
        #expect(ring.choose(now: start) { _ in 0 } == nil)
        ring.markWritable(descriptor: 100)
        #expect(ring.choose(now: start) { [0, 9][$0] } == 100)
    }

    @Test("a worker that leaves gets nothing, whatever its socket says, until it is added again")
    func leaving() {
        var ring = ring(2)
        ring.retire(slot: 0, generation: 1)
        ring.markFull(descriptor: 100)
        ring.markWritable(descriptor: 100)
        #expect(ring.choose(now: start) { [0, 9][$0] } == 101)
        #expect(ring.add(slot: 0, generation: 1, descriptor: 200, now: start) == 100)
        #expect(ring.choose(now: start) { [0, 9][$0] } == 200)
    }

    @Test("generations of one slot are different workers")
    func generations() {
        var ring = ring(1)
        #expect(ring.add(slot: 0, generation: 2, descriptor: 300, now: start) == nil)
        ring.retire(slot: 0, generation: 1)
        #expect(ring.choose(now: start) { _ in 0 } == 300)
        ring.remove(descriptor: 300)
        #expect(ring.choose(now: start) { _ in 0 } == nil)
        #expect(ring.workers.map(\.generation) == [1])
    }
}
