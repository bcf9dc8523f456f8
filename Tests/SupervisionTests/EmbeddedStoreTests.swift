import Glibc
import ProcessRuntime
@testable import Supervision
import Testing

/// Real servers in a temporary state directory. As root they run as their own accounts, below a closed folder.
@Suite(.serialized) struct EmbeddedStoreTests {
    @Test("both stores start, are reached at their addresses, survive a restart with their data, and end")
    func start() throws {
        let daemon = try ScriptedDaemon(workerCounts: [1], stores: [.postgres, .redis])
        let addresses = try daemon.expect("addresses ").split(separator: " ").map(String.init)
        #expect(addresses[1] == "postgres:///aigatewayd?host=\(daemon.state)/postgres&user=aigatewayd")
        #expect(addresses[2] == "unix:\(daemon.state)/redis/redis.sock")
        try daemon.expect("control --inherited: ready")
        try daemon.expect("announced")
        let server = try #require(
            Files.text(daemon.state + "/postgres/data/postmaster.pid")?.split(separator: "\n").first.flatMap {
                Int32($0)
            })
        kill(server, SIGKILL)
        try daemon.expect("postgres ended with signal 9")
        daemon.signal(SIGTERM)
        #expect(daemon.exitCode() == 0)
        #expect(!Files.exists(daemon.state + "/postgres/data/postmaster.pid"))
    }

    @Test("a stale process file does not keep PostgreSQL from starting")
    func stale() throws {
        let folder = try TemporaryFolder()
        let store = try EmbeddedPostgres(stateDirectory: folder.path, processUser: nil)
        let pidFile = folder.path + "/postgres/data/postmaster.pid"
        let file = OwnedDescriptor(open(pidFile, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
        let text = Array("\(getpid())\n\(folder.path)/postgres/data\n0\n5432\n".utf8)
        #expect(write(file.number, text, text.count) == text.count)
        let process = try store.image().start()
        #expect(isUp(store))
        kill(process, SIGINT)
        #expect(ExitStatus.collect(process) == .exited(0))
    }

    @Test("a server that an earlier start left behind is ended before the next one begins")
    func leftover() throws {
        let folder = try TemporaryFolder()
        let store = try EmbeddedRedis(stateDirectory: folder.path, processUser: nil)
        let first = try store.image().start()
        #expect(isUp(store))
        let watch = try ExitStatus.watch(first)
        // It is our own child here, so somebody has to collect it while `image` waits.
        let collector = Collector(first)
        let image = try store.image()
        #expect(collector.status() == .exited(0))
        let second = try image.start()
        #expect(isUp(store))
        kill(second, SIGTERM)
        #expect(ExitStatus.collect(second) == .exited(0))
        withExtendedLifetime(watch) {}
    }

    @Test("a state directory whose path is too long for a socket gets a short folder for it")
    func longPath() throws {
        let folder = try TemporaryFolder()
        let deep = folder.path + "/" + String(repeating: "d", count: 90)
        #expect(mkdir(deep, 0o700) == 0)
        let store = try EmbeddedRedis(stateDirectory: deep, processUser: nil)
        let socketFolder = store.home.socketFolder
        defer { Files.removeTree(socketFolder) }
        #expect(socketFolder.hasPrefix("/tmp/aigatewayd-redis-"))
        let process = try store.image().start()
        #expect(isUp(store))
        kill(process, SIGTERM)
        #expect(ExitStatus.collect(process) == .exited(0))
    }

    /// Whether the store accepts connections within a minute.
    private func isUp(_ store: some EmbeddedStore) -> Bool {
        let deadline = MonotonicTime.now() + .seconds(60)
        while MonotonicTime.now() < deadline {
            if store.acceptsConnections() { return true }
            var nothing = PollSet()
            _ = nothing.wait(.milliseconds(20))
        }
        return false
    }
}

private typealias ExitStatus = ProcessRuntime.ExitStatus

/// Collects a child on a thread of its own.
private final class Collector {
    // SAFETY: written by the thread, read after it was joined.
    private final class Box: @unchecked Sendable {
        let process: Int32
        var status: ExitStatus?
        init(_ process: Int32) { self.process = process }
    }
    private let box: Box
    private var thread = pthread_t()

    init(_ process: Int32) {
        box = Box(process)
        pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer else { return nil }
                let box = Unmanaged<Box>.fromOpaque(pointer).takeRetainedValue()
                box.status = ExitStatus.collect(box.process)
                return nil
            }, Unmanaged.passRetained(box).toOpaque())
    }

    func status() -> ExitStatus? {
        pthread_join(thread, nil)
        return box.status
    }
}
