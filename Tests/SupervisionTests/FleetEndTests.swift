import ProcessRuntime
@testable import Supervision
import Testing

@Suite struct FleetEndTests {
    @Test("the front first, then workers, then control with its spool, then the stores")
    func order() {
        var talk = FleetDialogue(stores: [.postgres, .redis])
        talk.startAll()
        #expect(talk.does(.terminate) == [.closeListeners, .tell(.front, .stopAccepting)])
        #expect(talk.does(.stoppedAccepting) == [.tell(worker(0, 1), .drain), .tell(worker(1, 2), .drain)])
        #expect(talk.does(.exited(worker(1, 2), .exited(0))) == [.closeSeat(slot: 1, generation: 2)])
        #expect(
            talk.does(.exited(worker(0, 1), .exited(0))) == [
                .closeSeat(slot: 0, generation: 1), .tell(.front, .stop), .tell(.control, .drain),
            ])
        #expect(talk.does(.exited(.front, .exited(0))) == [])
        #expect(talk.does(.exited(.control, .exited(0))) == [.signal(.postgres, 2), .signal(.redis, 15)])
        #expect(talk.does(.exited(.redis, .exited(0))) == [])
        #expect(talk.does(.exited(.postgres, .exited(0))) == [.exit(code: 0, message: nil)])
        #expect(talk.does(.terminate) == [])
    }

    @Test("a second signal ends everything at once")
    func second() {
        var talk = FleetDialogue(stores: [.redis], workers: 1)
        talk.startAll()
        talk.hear(.terminate)
        #expect(
            talk.does(.terminate) == [
                .signal(.redis, 15), .signal(.control, 9), .signal(.front, 9), .signal(worker(0, 1), 9),
                .exit(code: 143, message: nil),
            ])
    }

    @Test("nobody is started again while the daemon ends, except what control needs")
    func deathsWhileEnding() {
        var talk = FleetDialogue(stores: [.postgres], workers: 1)
        talk.startAll()
        talk.wait(.seconds(60))
        talk.hear(.terminate)
        #expect(talk.does(.exited(.front, .killed(signal: 9))) == [.tell(worker(0, 1), .drain)])
        #expect(talk.does(.exited(.postgres, .killed(signal: 9))) == [.start(.postgres, revision: 1)])
        #expect(
            talk.does(.exited(worker(0, 1), .killed(signal: 9))) == [
                .closeSeat(slot: 0, generation: 1), .tell(.control, .drain),
            ])
        #expect(talk.does(.exited(.control, .killed(signal: 9))) == [.signal(.postgres, 2)])
        #expect(talk.does(.exited(.postgres, .exited(0))) == [.exit(code: 0, message: nil)])
    }

    @Test("a front that does not answer holds nobody up")
    func deafFront() throws {
        var talk = FleetDialogue(workers: 1)
        talk.startAll()
        talk.hear(.terminate)
        #expect(try talk.waitForDeadline() == [.tell(worker(0, 1), .drain)])
        talk.hear(.exited(worker(0, 1), .exited(0)))
        #expect(try talk.waitForDeadline() == [.signal(.front, 9)])
    }

    @Test("control gets its time for the spool and no more")
    func slowControl() throws {
        var talk = FleetDialogue(workers: 1)
        talk.startAll()
        talk.hear(.terminate)
        talk.hear(.stoppedAccepting)
        talk.hear(.exited(worker(0, 1), .exited(0)))
        talk.hear(.exited(.front, .exited(0)))
        let told = talk.now
        #expect(try talk.waitForDeadline() == [.signal(.control, 9)])
        #expect(talk.now - told == .seconds(90))
    }

    @Test("a signal during the start ends what has been started")
    func duringStart() {
        var talk = FleetDialogue(stores: [.postgres])
        talk.hear(.start)
        #expect(talk.does(.terminate) == [.signal(.postgres, 2)])
        #expect(talk.does(.ready(.postgres)) == [])
        #expect(talk.does(.exited(.postgres, .exited(0))) == [.exit(code: 0, message: nil)])
    }

    @Test("a reload while the daemon ends is ignored")
    func reloadWhileEnding() {
        var talk = FleetDialogue(workers: 1)
        talk.startAll()
        talk.hear(.terminate)
        #expect(talk.hear(.reload(workers: 9, restarts: [])) == [])
    }

    @Test("a worker that was leaving when the daemon ends is told to drain too")
    func leavingWorker() {
        var talk = FleetDialogue(workers: 1)
        talk.startAll()
        talk.hear(.reload(workers: 1, restarts: []))
        talk.hear(.ready(worker(1, 2)))
        talk.hear(.terminate)
        #expect(talk.does(.stoppedAccepting) == [.tell(worker(1, 2), .drain), .tell(worker(0, 1), .drain)])
    }
}
