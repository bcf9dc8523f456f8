import Glibc
import ProcessRuntime
@testable import Supervision
import Testing

/// Real processes and real sockets under a real supervisor; only the children's work is scripted.
@Suite(.serialized) struct SupervisorTests {
    @Test("a daemon starts, replaces a killed child, reloads new before old, and ends in order")
    func life() throws {
        let daemon = try ScriptedDaemon(workerCounts: [1, 2, 0])
        try daemon.expect("control --inherited: ready")
        let first = try daemon.expect("worker --slot 0 --generation 1: ready")
        try daemon.expect(all: ["announced", "front: order 3"])
        kill(try daemon.process(first), SIGKILL)
        try daemon.expect("worker 0 ended with signal 9")
        // One that the front does not know yet would not be taken from it.
        try daemon.expect(all: ["worker --slot 0 --generation 1: ready", "front: order 3"])

        daemon.signal(SIGHUP)
        try daemon.expect("starting 2 workers")
        try daemon.expect("front: order 4")
        try daemon.expect("worker --slot 0 --generation 1: order 1")
        daemon.signal(SIGHUP)
        try daemon.expect("the configuration is not changed: unreadable")

        daemon.signal(SIGTERM)
        try daemon.expect("front: order 5")
        try daemon.expect(": order 1")
        try daemon.expect("control --inherited: order 1")
        #expect(daemon.exitCode() == 0)
    }

    @Test("a killed front and a killed control are started again")
    func others() throws {
        let daemon = try ScriptedDaemon(workerCounts: [1])
        let control = try daemon.process(try daemon.expect("control --inherited: ready"))
        let front = try daemon.process(try daemon.expect("front: ready"))
        try daemon.expect("announced")
        kill(front, SIGKILL)
        try daemon.expect("front: ready")
        kill(control, SIGKILL)
        try daemon.expect("control --inherited: ready")
        daemon.signal(SIGINT)
        #expect(daemon.exitCode() == 0)
    }

    @Test("a child that refuses its configuration ends the daemon with 78")
    func configuration() throws {
        let daemon = try ScriptedDaemon(workerCounts: [1], control: "exit 78")
        try daemon.expect("control refused its configuration")
        #expect(daemon.exitCode() == 78)
    }

    @Test("children get their settings and the key, and nothing secret in their environment")
    func inheritance() throws {
        setenv("AIGATEWAYD_BOOTSTRAP_API_TOKEN", "canary", 1)
        defer { unsetenv("AIGATEWAYD_BOOTSTRAP_API_TOKEN") }
        let daemon = try ScriptedDaemon(
            workerCounts: [1],
            control: """
                say "settings $(cat <&4)"; say "key $(wc -c <&7)"; say "canaries $(env | grep -c canary)"
                [ -e /proc/$$/fd/6 ] && say "there is a 6"; [ -e /proc/$$/fd/8 ] && say "there is an 8"
                """
        )
        try daemon.expect("settings control settings")
        try daemon.expect("key 32")
        try daemon.expect("canaries 0")
        #expect(try daemon.expect("there is").contains("an 8"))
        try daemon.expect("announced")
        daemon.signal(SIGTERM)
        #expect(daemon.exitCode() == 0)
    }

    @Test(
        "process.user: children and stores run as that account and own the state directory",
        .enabled(if: SystemUser.isRoot))
    func processUser() throws {
        let nobody = try #require(SystemUser(named: "nobody"))
        let daemon = try ScriptedDaemon(
            workerCounts: [1], stores: [.redis],
            control: #"say "user $(id -u)""#, user: "nobody"
        )
        try daemon.expect("user \(nobody.uid)")
        try daemon.expect("announced")
        #expect(Files.owner(daemon.state) == nobody.uid)
        #expect(Files.owner(daemon.state + "/redis/redis.sock") == nobody.uid)
        daemon.signal(SIGTERM)
        #expect(daemon.exitCode() == 0)
    }

    @Test("an account that does not exist is a configuration error")
    func unknownUser() throws {
        let daemon = try ScriptedDaemon(workerCounts: [1], user: "no-such-account")
        try daemon.expect("failed: process.user: there is no account no-such-account")
        #expect(daemon.exitCode() == 78)
    }

    @Test("a second daemon on the same state directory is refused")
    func lock() throws {
        let folder = try TemporaryFolder()
        let lock = try DirectoryLock(stateDirectory: folder.path)
        #expect(throws: SupervisorError(.unavailable, "another aigatewayd (process \(getpid())) uses \(folder.path)")) {
            try DirectoryLock(stateDirectory: folder.path)
        }
        withExtendedLifetime(lock) {}
    }

    @Test("a reload keeps sockets that stay, and fails as a whole when one cannot be opened")
    func listeners() throws {
        let folder = try TemporaryFolder()
        let (a, b) = (ListenAddress.unix(path: folder.path + "/a"), ListenAddress.unix(path: folder.path + "/b"))
        let first = try ListenerSet().adopting([a])
        let second = try first.adopting([b, a])
        #expect(second.descriptors.count == 2)
        #expect(second.descriptors.last === first.descriptors.first)
        #expect(throws: SystemError.self) { try second.adopting([a, .unix(path: folder.path + "/missing/c")]) }
        #expect(second.addresses == [b, a])
    }
}
