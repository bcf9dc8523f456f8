import FrontDoor
import Glibc
import ProcessRuntime
import Testing

/// A front on a thread of its own, with the ends of everybody it talks to.
private final class RunningFront {
    let supervisor: ChildLink
    let scoreboard: Scoreboard
    let port: UInt16
    private let keep: [OwnedDescriptor]
    private var thread = pthread_t()

    init() throws {
        let (link, theirs) = try ChildLink.pair()
        supervisor = link
        let file = try Scoreboard.create()
        scoreboard = try #require(Scoreboard(descriptor: file.number))
        let listener = try #require(try ListeningSocket.open(.tcp(host: "127.0.0.1", port: 0)).first)
        port = try #require(ListeningSocket.port(listener.number))
        keep = [theirs, file]
        let (board, own) = (scoreboard, dup(listener.number))
        let work = Work {
            Front(link: SupervisorLink(descriptor: theirs.number), scoreboard: board, listeners: [own]).run()
        }
        let started = pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer else { return nil }
                Unmanaged<Work>.fromOpaque(pointer).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(work).toOpaque())
        #expect(started == 0)
        #expect(report() == .ready)
    }

    private final class Work {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }

    /// The front's next report; nil after five seconds.
    func report() -> ChildReport? {
        var poll = PollSet()
        poll.add(supervisor.descriptor)
        guard !poll.wait(.seconds(60)).isEmpty, case .report(let report) = supervisor.poll() else { return nil }
        return report
    }

    /// Adds a worker; the worker's end of its socket.
    func add(_ slot: Int, generation: UInt32 = 1) throws -> OwnedDescriptor {
        let (front, worker) = try SocketPair.make()
        #expect(supervisor.send(.addWorker(slot: slot, generation: generation, descriptor: front.number)))
        return worker
    }

    func connect() throws -> OwnedDescriptor {
        let client = OwnedDescriptor(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(client.number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw SystemError("connect", code: errno) }
        return client
    }

    func stop() {
        supervisor.send(.stop)
        pthread_join(thread, nil)
    }
}

/// The next connection at a worker's socket; nil after five seconds.
private func receive(_ worker: OwnedDescriptor) -> OwnedDescriptor? {
    var poll = PollSet()
    poll.add(worker.number)
    guard !poll.wait(.seconds(60)).isEmpty,
        case .connection(let connection) = HandoverSocket(descriptor: worker.number).poll()
    else { return nil }
    return OwnedDescriptor(connection)
}

private func isQuiet(_ worker: OwnedDescriptor) -> Bool {
    HandoverSocket(descriptor: worker.number).poll() == .nothing
}

@Suite struct FrontTests {
    @Test("connections go to the worker with the fewest, and carry their bytes along")
    func leastConnections() throws {
        let front = try RunningFront()
        defer { front.stop() }
        front.scoreboard.slot(0).connections = 10
        let (busy, idle) = (try front.add(0), try front.add(1))
        for _ in 0..<5 {
            let client = try front.connect()
            #expect(send(client.number, "hi", 2, 0) == 2)
            let connection = try #require(receive(idle))
            var poll = PollSet()
            poll.add(connection.number)
            #expect(!poll.wait(.seconds(60)).isEmpty)
            var bytes = [UInt8](repeating: 0, count: 4)
            #expect(recv(connection.number, &bytes, 4, 0) == 2)
        }
        #expect(isQuiet(busy))
    }

    @Test("clients wait in the backlog while there is no worker")
    func backlog() throws {
        let front = try RunningFront()
        defer { front.stop() }
        let clients = try (0..<3).map { _ in try front.connect() }
        let worker = try front.add(0)
        for _ in clients { #expect(receive(worker) != nil) }
    }

    @Test("a worker that leaves gets nothing new after the front's promise, and what it returns goes to another")
    func handBack() throws {
        let front = try RunningFront()
        defer { front.stop() }
        let old = try front.add(0)
        let client = try front.connect()
        let connection = try #require(receive(old))
        let new = try front.add(1)
        front.supervisor.send(.removeWorker(slot: 0, generation: 1))
        #expect(front.report() == .released(slot: 0, generation: 1))
        #expect(HandoverSocket(descriptor: old.number).send(connection.number))
        let adopted = try #require(receive(new))
        #expect(send(adopted.number, "x", 1, 0) == 1)
        var byte: UInt8 = 0
        #expect(recv(client.number, &byte, 1, 0) == 1)
        let second = try front.connect()
        #expect(receive(new) != nil)
        #expect(isQuiet(old))
        withExtendedLifetime(second) {}
    }

    @Test("a worker that does not read is passed over; when all are full, clients wait until one reads")
    func full() throws {
        let front = try RunningFront()
        defer { front.stop() }
        let worker = try front.add(0)
        var clients: [OwnedDescriptor] = []
        for _ in 0..<600 { clients.append(try front.connect()) }
        var received = 0
        while received < clients.count, receive(worker) != nil { received += 1 }
        #expect(received == clients.count)
    }

    @Test("the end of accepting takes the backlog along, closes the port and closes what is returned later")
    func stopAccepting() throws {
        let front = try RunningFront()
        defer { front.stop() }
        let worker = try front.add(0)
        let clients = try (0..<20).map { _ in try front.connect() }
        front.supervisor.send(.stopAccepting)
        #expect(front.report() == .stoppedAccepting)
        var connections: [OwnedDescriptor] = []
        for _ in clients { connections.append(try #require(receive(worker))) }
        #expect(HandoverSocket(descriptor: worker.number).send(try #require(connections.first).number))
        connections = []
        var byte: UInt8 = 0
        for client in clients { #expect(recv(client.number, &byte, 1, 0) == 0) }
    }
}
