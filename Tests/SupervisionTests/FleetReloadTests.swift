import ProcessRuntime
@testable import Supervision
import Testing

@Suite struct FleetReloadTests {
    @Test("two workers become four and then one, always new before old")
    func scaling() {
        var talk = FleetDialogue(workers: 2)
        talk.startAll()
        #expect(
            talk.does(.reload(workers: 4, restarts: [])) == [
                .start(worker(2, 3), revision: 2), .start(worker(3, 4), revision: 2),
                .start(worker(4, 5), revision: 2), .start(worker(5, 6), revision: 2),
            ])
        for (slot, generation) in [(2, 3), (3, 4), (4, 5)] as [(Int, UInt32)] {
            #expect(talk.does(.ready(worker(slot, generation))) == [.addToFront(slot: slot, generation: generation)])
        }
        #expect(
            talk.does(.ready(worker(5, 6))) == [
                .addToFront(slot: 5, generation: 6), .removeFromFront(slot: 0, generation: 1),
                .removeFromFront(slot: 1, generation: 2),
            ])
        #expect(talk.does(.released(slot: 0, generation: 1)) == [.tell(worker(0, 1), .drain)])
        #expect(talk.does(.released(slot: 1, generation: 2)) == [.tell(worker(1, 2), .drain)])
        #expect(talk.does(.exited(worker(1, 2), .exited(0))) == [.closeSeat(slot: 1, generation: 2)])

        // Slot 0 is still draining; slot 1 is free again.
        #expect(talk.does(.reload(workers: 1, restarts: [])) == [.start(worker(1, 7), revision: 3)])
        #expect(
            talk.does(.ready(worker(1, 7))) == [
                .addToFront(slot: 1, generation: 7), .removeFromFront(slot: 2, generation: 3),
                .removeFromFront(slot: 3, generation: 4), .removeFromFront(slot: 4, generation: 5),
                .removeFromFront(slot: 5, generation: 6),
            ])
        for (slot, generation) in [(2, 3), (3, 4), (4, 5), (5, 6)] as [(Int, UInt32)] {
            talk.hear(.released(slot: slot, generation: generation))
            #expect(
                talk.does(.exited(worker(slot, generation), .exited(0))) == [
                    .closeSeat(slot: slot, generation: generation)
                ])
        }
        #expect(talk.does(.exited(worker(0, 1), .exited(0))) == [.closeSeat(slot: 0, generation: 1)])
        #expect(talk.fleet.revisionsInUse.contains(3))
    }

    @Test("control and front are restarted after the workers when their settings changed")
    func restarts() {
        var talk = FleetDialogue(workers: 1)
        talk.startAll()
        talk.hear(.reload(workers: 1, restarts: [.control, .front]))
        #expect(
            talk.does(.ready(worker(1, 2))) == [
                .addToFront(slot: 1, generation: 2), .removeFromFront(slot: 0, generation: 1), .tell(.front, .stop),
                .tell(.control, .stop),
            ])
        #expect(talk.does(.exited(.control, .exited(0))) == [.start(.control, revision: 2)])
        // The promise of a front that is gone is not waited for.
        #expect(talk.does(.exited(.front, .exited(0))) == [.tell(worker(0, 1), .drain), .start(.front, revision: 2)])
        #expect(
            talk.does(.ready(.front)) == [
                .addToFront(slot: 0, generation: 1), .removeFromFront(slot: 0, generation: 1),
                .addToFront(slot: 1, generation: 2),
            ])
    }

    @Test("new workers that cannot start are given up, and the old ones stay with the old settings")
    func abandoned() throws {
        var talk = FleetDialogue(workers: 1)
        talk.startAll()
        talk.wait(.seconds(60))
        talk.hear(.reload(workers: 2, restarts: [.control]))
        talk.hear(.ready(worker(2, 3)))
        var actions: [FleetAction] = []
        for _ in 0..<8 {
            if let deadline = talk.fleet.nextDeadline, deadline > talk.now { try talk.waitForDeadline() }
            actions = talk.does(.exited(worker(1, 2), .exited(1)))
        }
        #expect(
            actions == [
                .removeFromFront(slot: 2, generation: 3), .signal(worker(2, 3), 9), .closeSeat(slot: 1, generation: 2),
            ])
        #expect(talk.does(.exited(worker(2, 3), .killed(signal: 9))) == [.closeSeat(slot: 2, generation: 3)])
        talk.wait(.seconds(60))
        #expect(talk.does(.exited(worker(0, 1), .killed(signal: 9))).contains(.start(worker(0, 1), revision: 1)))
        #expect(talk.fleet.nextRevision == 3)
    }

    @Test("an outgoing worker that dies is not started again")
    func outgoingDies() {
        var talk = FleetDialogue(workers: 1)
        talk.startAll()
        talk.hear(.reload(workers: 1, restarts: []))
        talk.hear(.ready(worker(1, 2)))
        #expect(talk.does(.exited(worker(0, 1), .killed(signal: 9))) == [.closeSeat(slot: 0, generation: 1)])
        #expect(talk.does(.released(slot: 0, generation: 1)) == [])
    }

    @Test("an outgoing worker whose streams take longer than allowed is stopped, then killed")
    func drainLimit() throws {
        var policy = FleetPolicy()
        policy.drainLimit = .seconds(30)
        var talk = FleetDialogue(workers: 1, policy: policy)
        talk.startAll()
        talk.hear(.reload(workers: 1, restarts: []))
        talk.hear(.ready(worker(1, 2)))
        let told = talk.now
        talk.hear(.released(slot: 0, generation: 1))
        #expect(try talk.waitForDeadline() == [.tell(worker(0, 1), .stop)])
        #expect(talk.now - told == .seconds(30))
        #expect(try talk.waitForDeadline() == [.signal(worker(0, 1), 9)])
    }

    @Test("without a drain limit streams take as long as they take")
    func noDrainLimit() {
        var talk = FleetDialogue(workers: 1)
        talk.startAll()
        talk.hear(.reload(workers: 1, restarts: []))
        talk.hear(.ready(worker(1, 2)))
        talk.hear(.released(slot: 0, generation: 1))
        #expect(talk.fleet.nextDeadline == nil)
    }

    @Test("a reload during a reload wins, and nobody of either earlier generation stays")
    func overlapping() {
        var talk = FleetDialogue(workers: 1)
        talk.startAll()
        talk.hear(.reload(workers: 1, restarts: []))
        #expect(talk.does(.reload(workers: 1, restarts: [])) == [.start(worker(2, 3), revision: 3)])
        #expect(
            talk.does(.ready(worker(2, 3))) == [
                .addToFront(slot: 2, generation: 3), .removeFromFront(slot: 0, generation: 1),
                .tell(worker(1, 2), .drain),
            ])
    }

    @Test("when slots run out, new workers wait for old ones to finish")
    func slots() {
        var talk = FleetDialogue(workers: 32)
        talk.startAll()
        talk.hear(.reload(workers: 32, restarts: []))
        for number in 0..<32 { talk.hear(.ready(worker(32 + number, UInt32(33 + number)))) }
        for number in 0..<32 { talk.hear(.released(slot: number, generation: UInt32(1 + number))) }
        #expect(talk.does(.reload(workers: 1, restarts: [])) == [])
        #expect(
            talk.does(.exited(worker(9, 10), .exited(0))) == [
                .closeSeat(slot: 9, generation: 10), .start(worker(9, 65), revision: 3),
            ])
    }
}
