import ProcessRuntime
@testable import Supervision
import Testing

@Suite struct FleetStartTests {
    @Test("stores, then control, then front and workers, then the announcement")
    func order() {
        var talk = FleetDialogue(stores: [.postgres, .redis])
        #expect(talk.does(.start) == [.start(.postgres, revision: 1), .start(.redis, revision: 1)])
        #expect(talk.does(.ready(.redis)) == [])
        #expect(talk.does(.ready(.postgres)) == [.start(.control, revision: 1)])
        #expect(
            talk.does(.ready(.control)) == [
                .start(.front, revision: 1), .start(worker(0, 1), revision: 1), .start(worker(1, 2), revision: 1),
            ])
        #expect(talk.does(.ready(worker(1, 2))) == [])
        #expect(talk.does(.ready(.front)) == [.addToFront(slot: 1, generation: 2)])
        #expect(talk.does(.ready(worker(0, 1))) == [.addToFront(slot: 0, generation: 1), .announce])
    }

    @Test("without embedded stores control is first")
    func externalStores() {
        var talk = FleetDialogue()
        #expect(talk.does(.start) == [.start(.control, revision: 1)])
    }

    @Test("a worker that dies is started again at once, and the front learns of both")
    func restart() {
        var talk = FleetDialogue()
        talk.startAll()
        talk.wait(.seconds(60))
        #expect(
            talk.does(.exited(worker(0, 1), .killed(signal: 9))) == [
                .removeFromFront(slot: 0, generation: 1), .start(worker(0, 1), revision: 1),
            ])
        #expect(talk.does(.ready(worker(0, 1))) == [.addToFront(slot: 0, generation: 1)])
    }

    @Test("a new front is told about every worker")
    func frontRestart() {
        var talk = FleetDialogue()
        talk.startAll()
        talk.wait(.seconds(60))
        #expect(talk.does(.exited(.front, .killed(signal: 9))) == [.start(.front, revision: 1)])
        #expect(
            talk.does(.ready(.front)) == [.addToFront(slot: 0, generation: 1), .addToFront(slot: 1, generation: 2)])
    }

    @Test("control and stores that die are started again while the workers go on")
    func others() {
        var talk = FleetDialogue(stores: [.postgres])
        talk.startAll()
        talk.wait(.seconds(60))
        #expect(talk.does(.exited(.control, .exited(1))) == [.start(.control, revision: 1)])
        #expect(talk.does(.exited(.postgres, .killed(signal: 9))) == [.start(.postgres, revision: 1)])
        #expect(talk.does(.ready(.control)) == [])
        #expect(talk.does(.ready(.postgres)) == [])
    }

    @Test("short lives are answered with growing pauses, a long one resets them")
    func backOff() throws {
        var talk = FleetDialogue()
        talk.startAll()
        #expect(talk.does(.exited(worker(0, 1), .exited(1))).contains(.start(worker(0, 1), revision: 1)))
        var pauses: [Duration] = []
        for _ in 0..<9 {
            talk.hear(.ready(worker(0, 1)))
            let died = talk.now
            #expect(!talk.does(.exited(worker(0, 1), .exited(1))).contains(.start(worker(0, 1), revision: 1)))
            #expect(try talk.waitForDeadline() == [.start(worker(0, 1), revision: 1)])
            pauses.append(talk.now - died)
        }
        #expect(
            pauses == [
                .milliseconds(100), .milliseconds(200), .milliseconds(400), .milliseconds(800), .milliseconds(1600),
                .milliseconds(3200), .milliseconds(6400), .seconds(10), .seconds(10),
            ])
        talk.hear(.ready(worker(0, 1)))
        talk.wait(.seconds(10))
        #expect(talk.does(.exited(worker(0, 1), .exited(1))).contains(.start(worker(0, 1), revision: 1)))
    }

    @Test("a child that keeps dying before the first announcement ends the daemon with its name")
    func crashLoop() throws {
        var talk = FleetDialogue(stores: [.redis])
        talk.hear(.start)
        talk.hear(.ready(.redis))
        var actions: [FleetAction] = []
        for _ in 0..<8 {
            if let deadline = talk.fleet.nextDeadline, deadline > talk.now { try talk.waitForDeadline() }
            actions = talk.does(.exited(.control, .exited(3)))
        }
        #expect(actions == [.signal(.redis, 15)])
        let message = "control ended 8 times without becoming ready; its last end was exit status 3"
        #expect(talk.does(.exited(.redis, .exited(0))) == [.exit(code: 70, message: message)])
    }

    @Test("a child that refuses its configuration at the first start is not tried again")
    func badConfiguration() {
        var talk = FleetDialogue()
        talk.hear(.start)
        #expect(
            talk.does(.exited(.control, .exited(78))) == [.exit(code: 78, message: "control refused its configuration")]
        )
    }

    @Test("control that keeps dying does not end a daemon whose workers serve")
    func controlCrashLoop() throws {
        var talk = FleetDialogue()
        talk.startAll()
        talk.wait(.seconds(60))
        for _ in 0..<20 {
            let actions = talk.does(.exited(.control, .exited(1)))
            #expect(!actions.contains { if case .exit = $0 { true } else { false } })
            if !actions.contains(.start(.control, revision: 1)) {
                #expect(try talk.waitForDeadline() == [.start(.control, revision: 1)])
            }
        }
    }

    @Test("workers that all keep dying end the daemon")
    func workerCrashLoop() throws {
        var talk = FleetDialogue(workers: 1)
        talk.startAll()
        talk.hear(.exited(worker(0, 1), .killed(signal: 11)))
        var notes: [FleetAction] = []
        for _ in 0..<8 where notes.isEmpty {
            if let deadline = talk.fleet.nextDeadline, deadline > talk.now { try talk.waitForDeadline() }
            notes = talk.does(.exited(worker(0, 1), .killed(signal: 11)))
        }
        #expect(notes.contains(.tell(.front, .stop)) && notes.contains(.tell(.control, .stop)))
        talk.hear(.exited(.front, .exited(0)))
        let end = talk.does(.exited(.control, .exited(0)))
        guard case .exit(70, let message) = try #require(end.last) else {
            Issue.record("it goes on: \(end)")
            return
        }
        #expect(message?.contains("worker 0") == true)
        #expect(message?.contains("signal 11") == true)
    }

    @Test("a store that never accepts connections is a failed start")
    func storeTimeout() throws {
        var talk = FleetDialogue(stores: [.postgres])
        talk.hear(.start)
        #expect(try talk.waitForDeadline() == [.signal(.postgres, 2)])
        #expect(
            talk.does(.exited(.postgres, .exited(0))) == [
                .exit(code: 69, message: "postgres does not accept connections after 60.0 seconds")
            ])
    }

    @Test("a child that cannot be started is tried again later")
    func startFailed() throws {
        var talk = FleetDialogue()
        talk.startAll()
        talk.wait(.seconds(60))
        talk.hear(.exited(worker(0, 1), .exited(1)))
        #expect(talk.does(.startFailed(worker(0, 1), reason: "no memory")) == [.start(worker(0, 1), revision: 1)])
        #expect(talk.does(.startFailed(worker(0, 1), reason: "no memory")) == [])
        #expect(try talk.waitForDeadline() == [.start(worker(0, 1), revision: 1)])
    }
}
