import Glibc
import ProcessRuntime
import Testing

@Suite struct ChildImageTests {
    @Test("a child has the descriptors it was given, under their numbers, and no others")
    func descriptors() throws {
        let (ours, theirs) = try SocketPair.make()
        let extra = OwnedDescriptor(dup(2))
        _ = fcntl(extra.number, F_SETFD, 0)
        let run = try Shell("cd /proc/self/fd && echo * && echo -n x >&8", descriptors: [8: theirs])
        #expect(run.status == .exited(0))
        let numbers = run.output.split(whereSeparator: \.isWhitespace)
        #expect(numbers.filter { ["0", "1", "2", "8"].contains($0) }.count == 4)
        #expect(!numbers.contains(Substring(String(extra.number))))
        var byte: UInt8 = 0
        #expect(recv(ours.number, &byte, 1, Int32(MSG_DONTWAIT)) == 1)
        #expect(byte == UInt8(ascii: "x"))
    }

    @Test("sources and targets may overlap")
    func overlap() throws {
        let (first, second) = try (InheritedBytes.seal([1], name: "a"), InheritedBytes.seal([2], name: "b"))
        let run = try Shell(
            "od -An -tu1 <&\(second.number); od -An -tu1 <&\(first.number)",
            descriptors: [first.number: second, second.number: first]
        )
        #expect(run.output.split(whereSeparator: \.isWhitespace) == ["1", "2"])
    }

    @Test("the environment is the given one and nothing else")
    func environment() throws {
        setenv("AIGATEWAYD_SECRET_CANARY", "canary", 1)
        defer { unsetenv("AIGATEWAYD_SECRET_CANARY") }
        let run = try Shell("/usr/bin/env", environment: ChildImage.minimalEnvironment())
        #expect(run.output.contains("PATH="))
        #expect(!run.output.contains("AIGATEWAYD"))
    }

    @Test("an executable that cannot be executed is an error of the start")
    func missing() {
        let image = ChildImage(path: "/nowhere/at-all", arguments: ["x"], environment: [:])
        #expect(throws: SystemError("start /nowhere/at-all", code: ENOENT)) { try image.start() }
    }

    @Test("a child gets its death signal when the thread that started it ends")
    func deathSignal() throws {
        var image = ChildImage(path: "/bin/sleep", arguments: ["sleep", "60"], environment: [:])
        image.deathSignal = SIGTERM
        let started = image
        let process = try onOwnThread { Result { try started.start() } }.get()
        #expect(ProcessRuntime.ExitStatus.collect(process) == .killed(signal: SIGTERM))
    }

    @Test("signals that this process ignores or blocks are ordinary again in a child")
    func signals() throws {
        signal(SIGUSR1, SIG_IGN)
        defer { signal(SIGUSR1, SIG_DFL) }
        let run = try Shell("kill -USR1 $$; echo survived")
        #expect(run.status == .killed(signal: SIGUSR1))
        #expect(run.output.isEmpty)
    }

    @Test("a child can become another user", .enabled(if: SystemUser.isRoot))
    func user() throws {
        let nobody = try #require(SystemUser(named: "nobody"))
        let run = try Shell("id -u; id -g; grep -c 0000000000000000 /proc/self/status", user: nobody)
        let lines = run.output.split(separator: "\n")
        #expect(lines.first == Substring(String(nobody.uid)))
        #expect(lines.dropFirst().first == Substring(String(nobody.gid)))
    }

    @Test(
        "a child with the right to search directories gets to a folder below a closed one",
        .enabled(if: SystemUser.isRoot))
    func search() throws {
        let nobody = try #require(SystemUser(named: "nobody"))
        let folder = try TemporaryFolder()
        let inner = folder.path + "/inner"
        #expect(mkdir(inner, 0o700) == 0 && chown(inner, nobody.uid, nobody.gid) == 0)
        #expect(!nobody.canReach(directory: inner))
        let ordinary = try Shell("cd \(inner)", user: nobody)
        #expect(ordinary.status != .exited(0))
        let everywhere = try Shell("cd \(inner) && echo made > file", user: nobody, search: .everywhere)
        #expect(everywhere.status == .exited(0))
        chmod(folder.path, 0o711)
        #expect(nobody.canReach(directory: inner))
    }
}
