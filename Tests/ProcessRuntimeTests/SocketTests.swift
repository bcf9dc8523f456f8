import Glibc
import ProcessRuntime
import Testing

@Suite struct SocketTests {
    @Test(
        "addresses are read as the settings spell them",
        arguments: [
            ("127.0.0.1:8787", ListenAddress.tcp(host: "127.0.0.1", port: 8787)),
            ("[::1]:80", .tcp(host: "::1", port: 80)), ("*:1", .tcp(host: "", port: 1)),
            (":1", .tcp(host: "", port: 1)),
            ("unix:/run/x.sock", .unix(path: "/run/x.sock")),
        ])
    func addresses(text: String, address: ListenAddress) { #expect(ListenAddress(text) == address) }

    @Test(
        "what is no address is refused",
        arguments: ["", "127.0.0.1", "host:port", "::1:80", "unix:relative", "a:70000"])
    func noAddress(text: String) { #expect(ListenAddress(text) == nil) }

    @Test("a TCP port listens, and accepts without blocking")
    func tcp() throws {
        let listener = try #require(try ListeningSocket.open(.tcp(host: "127.0.0.1", port: 0)).first)
        #expect(ListeningSocket.isListening(listener.number))
        #expect(ListeningSocket.accept(listener.number) == .nothing)
        let port = try #require(ListeningSocket.port(listener.number))
        #expect(throws: SystemError("listen on 127.0.0.1:\(port)", code: EADDRINUSE)) {
            try ListeningSocket.open(.tcp(host: "127.0.0.1", port: port))
        }
    }

    @Test("a Unix socket without a listener is replaced, one with a listener is not")
    func unix() throws {
        let folder = try TemporaryFolder()
        let address = ListenAddress.unix(path: folder.path + "/s")
        var first: [OwnedDescriptor] = try ListeningSocket.open(address)
        #expect(throws: SystemError.self) { try ListeningSocket.open(address) }
        first = []
        let second = try #require(try ListeningSocket.open(address).first)
        let client = try #require(ListeningSocket.connect(unixPath: folder.path + "/s"))
        guard case .connection(let connection) = ListeningSocket.accept(second.number) else {
            Issue.record("nothing accepted")
            return
        }
        #expect(fcntl(connection, F_GETFL) & O_NONBLOCK != 0)
        close(connection)
        withExtendedLifetime((first, client)) {}
    }

    @Test("a descriptor that is no socket does not listen")
    func notListening() throws {
        let (one, _) = try SocketPair.make()
        #expect(!ListeningSocket.isListening(one.number))
        #expect(!ListeningSocket.isListening(-1))
        #expect(ListeningSocket.accept(one.number) == .closed)
    }

    @Test("signals arrive at the pipe in order, whichever thread they hit")
    func signals() throws {
        let pipe = try SignalPipe([SIGUSR2])
        defer { signal(SIGUSR2, SIG_DFL) }
        #expect(pipe.take() == [])
        kill(getpid(), SIGUSR2)
        var poll = PollSet()
        poll.add(pipe.descriptor)
        #expect(poll.wait(.seconds(60)) == [pipe.descriptor])
        #expect(pipe.take() == [SIGUSR2])
    }

    @Test("a worker's arguments are read back")
    func identity() {
        let identity = WorkerIdentity(slot: 5, generation: 77)
        #expect(WorkerIdentity(arguments: ["x"] + identity.arguments) == identity)
        #expect(WorkerIdentity(arguments: ["x", "worker", "--slot", "64", "--generation", "1"]) == nil)
        #expect(WorkerIdentity(arguments: ["x", "front"]) == nil)
    }
}
