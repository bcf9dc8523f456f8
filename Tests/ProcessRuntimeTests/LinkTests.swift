import Glibc
import ProcessRuntime
import Testing

@Suite struct LinkTests {
    @Test("every order arrives as it was sent, a worker with its socket")
    func orders() throws {
        let (parent, end) = try ChildLink.pair()
        let child = SupervisorLink(descriptor: end.number)
        let (socket, _) = try SocketPair.make()
        #expect(parent.send(.addWorker(slot: 7, generation: 4_000_000_000, descriptor: socket.number)))
        for order in [SupervisorOrder.removeWorker(slot: 63, generation: 1), .stopAccepting, .drain, .stop] {
            #expect(parent.send(order))
        }
        guard case .addWorker(7, 4_000_000_000, let passed) = try #require(child.next()) else {
            Issue.record("not the worker that was sent")
            return
        }
        #expect(passed != socket.number && fcntl(passed, F_GETFD) == FD_CLOEXEC)
        close(passed)
        #expect(child.next() == .removeWorker(slot: 63, generation: 1))
        #expect(child.next() == .stopAccepting)
        #expect(child.poll() == .order(.drain))
        #expect(child.poll() == .order(.stop))
        #expect(child.poll() == .nothing)
    }

    @Test("every report arrives as it was sent")
    func reports() throws {
        let (parent, end) = try ChildLink.pair()
        let child = SupervisorLink(descriptor: end.number)
        child.announceReady()
        child.report(.released(slot: 3, generation: 9))
        child.report(.stoppedAccepting)
        #expect(parent.poll() == .report(.ready))
        #expect(parent.poll() == .report(.released(slot: 3, generation: 9)))
        #expect(parent.poll() == .report(.stoppedAccepting))
        #expect(parent.poll() == .nothing)
    }

    @Test("datagrams that mean nothing are skipped")
    func garbage() throws {
        let (parent, end) = try ChildLink.pair()
        for bytes: [UInt8] in [
            [1], [99, 0, 0, 0, 0, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0, 0, 0, 0], [UInt8](repeating: 1, count: 80),
        ] {
            #expect(send(parent.descriptor, bytes, bytes.count, 0) == bytes.count)
        }
        parent.send(.drain)
        #expect(SupervisorLink(descriptor: end.number).next() == .drain)
    }

    @Test("the end of one side is seen by the other")
    func end() throws {
        var pair: (ChildLink, OwnedDescriptor)? = try ChildLink.pair()
        let kept = dup(try #require(pair).1.number)
        pair = nil
        #expect(SupervisorLink(descriptor: kept).next() == nil)
        #expect(SupervisorLink(descriptor: kept).poll() == .closed)
        close(kept)
    }
}

@Suite struct HandoverSocketTests {
    @Test("a connection changes its process with what it has not read yet")
    func passes() throws {
        let (front, worker) = try SocketPair.make()
        let (client, accepted) = try SocketPair.make()
        #expect(send(client.number, "hello", 5, 0) == 5)
        #expect(HandoverSocket(descriptor: front.number).send(accepted.number))
        let adopted = OwnedDescriptor(try #require(HandoverSocket(descriptor: worker.number).receive()))
        var bytes = [UInt8](repeating: 0, count: 16)
        #expect(recv(adopted.number, &bytes, 16, 0) == 5)
        #expect(String(decoding: bytes.prefix(5), as: UTF8.self) == "hello")
    }

    @Test("a worker that does not read fills its socket and nothing else; once it reads there is room again")
    func full() throws {
        let (front, worker) = try SocketPair.make()
        let (_, accepted) = try SocketPair.make()
        var sent = 0
        while HandoverSocket(descriptor: front.number).offer(accepted.number) == .sent { sent += 1 }
        #expect(sent > 8)
        #expect(HandoverSocket(descriptor: front.number).offer(accepted.number) == .full)
        let receiver = HandoverSocket(descriptor: worker.number)
        var received = 0
        while case .connection(let connection) = receiver.poll() {
            received += 1
            close(connection)
        }
        #expect(received == sent)
        #expect(HandoverSocket(descriptor: front.number).offer(accepted.number) == .sent)
    }

    @Test("a worker that is gone is told apart from one that is full")
    func gone() throws {
        var pair: (OwnedDescriptor, OwnedDescriptor)? = try SocketPair.make()
        let front = dup(try #require(pair).0.number)
        pair = nil
        // Waits for the end: a process that another test is starting may still hold the worker's side for a moment.
        #expect(HandoverSocket(descriptor: front).receive() == nil)
        #expect(HandoverSocket(descriptor: front).offer(front) == .closed)
        close(front)
    }
}
