import GatewayCore
import Glibc
import ProcessRuntime
import Supervision
import Testing

/// A supervisor on a thread of its own whose children are shell scripts that speak the link's protocol.
///
/// Every child writes a line per event to a pipe that the test reads: no waiting by the clock.
final class ScriptedDaemon {
    let folder: TemporaryFolder
    let state: String
    private let events: Int32
    private let signals: (read: OwnedDescriptor, write: OwnedDescriptor)
    private var thread = pthread_t()
    private var isJoined = false
    private let outcome = Outcome()
    private var text = ""

    // SAFETY: written by the supervisor's thread before it ends, read after it was joined.
    private final class Outcome: @unchecked Sendable { var code: Int32? }

    /// - Parameters:
    ///   - workerCounts: the first start's, then one per reload; a count of 0 is a configuration that cannot be read.
    ///   - stores: embedded stores to run for real.
    ///   - user: account the children run as.
    init(
        workerCounts: [Int], stores: Set<FleetRole> = [], control: String = "", user: String? = nil
    ) throws {
        folder = try TemporaryFolder()
        state = folder.path + "/state"
        #expect(mkdir(state, 0o700) == 0)
        let fifo = folder.path + "/events"
        #expect(mkfifo(fifo, 0o600) == 0)
        if user != nil { #expect(chmod(folder.path, 0o755) == 0 && chmod(fifo, 0o666) == 0) }
        events = open(fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC)
        signals = try Self.pipe()
        let programs = Programs(
            daemon: try Self.script(folder.path + "/control.sh", events: fifo, extra: control),
            worker: try Self.script(folder.path + "/worker.sh", events: fifo, extra: "")
        )
        let remaining = Remaining(workerCounts)
        let report: @Sendable (String) -> Void = { line in
            let file = OwnedDescriptor(open(fifo, O_WRONLY | O_CLOEXEC))
            let bytes = Array((line.split(separator: "\n").joined(separator: " / ") + "\n").utf8)
            _ = write(file.number, bytes, bytes.count)
        }
        var configuration = Self.configuration(state, programs, stores, remaining, report)
        configuration.processUser = user
        let complete = configuration
        let reader = SignalPipe(descriptor: signals.read.number)
        let outcome = outcome
        let job = Job {
            do throws(SupervisorError) {
                outcome.code = try Supervisor(complete, signals: reader).run()
            } catch {
                report("failed: \(error)")
                outcome.code = error.kind.rawValue
            }
        }
        let started = pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer else { return nil }
                Unmanaged<Job>.fromOpaque(pointer).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(job).toOpaque())
        #expect(started == 0)
    }

    private final class Job {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }

    // SAFETY: only the supervisor's thread uses it.
    private final class Remaining: @unchecked Sendable {
        var counts: [Int]
        init(_ counts: [Int]) { self.counts = counts }
        func next() throws -> Int {
            let count = counts.isEmpty ? 0 : counts.removeFirst()
            guard count > 0 else { throw SupervisorError(.configuration, "unreadable") }
            return count
        }
    }

    private static func configuration(
        _ state: String, _ programs: Programs, _ stores: Set<FleetRole>, _ remaining: Remaining,
        _ report: @escaping @Sendable (String) -> Void
    ) -> SupervisorConfiguration {
        SupervisorConfiguration(
            stateDirectory: state, dataListen: [.tcp(host: "127.0.0.1", port: 0)],
            controlListen: [.unix(path: state + "/control.sock")], workers: (try? remaining.next()) ?? 1,
            masterKey: Secret([UInt8](repeating: 7, count: 32)), embeddedStores: stores, programs: programs,
            settings: { addresses in
                report("addresses \(addresses.postgres ?? "-") \(addresses.redis ?? "-")")
                return .init(worker: Array("worker settings".utf8), control: Array("control settings".utf8))
            },
            reload: { _ in
                let count = try remaining.next()
                var next = configuration(state, programs, stores, remaining, report)
                next.workers = count
                return next
            },
            announce: { report("announced") }, log: { report("log \($0) \($1)") }
        )
    }

    private static func pipe() throws -> (OwnedDescriptor, OwnedDescriptor) {
        var ends: [Int32] = [-1, -1]
        #expect(Glibc.pipe(&ends) == 0)
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        return (OwnedDescriptor(ends[0]), OwnedDescriptor(ends[1]))
    }

    /// Says ready, obeys orders: drain and stop end it, a front answers what a front has to answer.
    private static func script(_ path: String, events: String, extra: String) throws -> String {
        let text = """
            #!/bin/bash
            name="$*"
            say() { echo "$$ $name: $1" > '\(events)'; }
            \(extra)
            say ready
            printf '\\x81\\0\\0\\0\\0\\0\\0\\0\\0' >&3
            while read -r kind rest < <(dd bs=64 count=1 <&3 2>/dev/null | od -An -v -tu1 | tr -s ' '); do
              say "order $kind"
              case $kind in
                1|2) exit 0;;
                4) printf "\\x82$(printf '\\\\x%02x' $rest)" >&3;;
                5) printf '\\x83\\0\\0\\0\\0\\0\\0\\0\\0' >&3;;
              esac
            done
            say orphaned

            """
        let file = OwnedDescriptor(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o755))
        let bytes = Array(text.utf8)
        #expect(write(file.number, bytes, bytes.count) == bytes.count)
        return path
    }

    /// Lines that contain the parts, in whatever order they come, skipping others; fails the test after a minute.
    func expect(all parts: [String], _ location: SourceLocation = #_sourceLocation) throws {
        var missing = parts
        while !missing.isEmpty {
            let line = try expect(anyOf: missing, location)
            missing.removeAll { line.contains($0) }
        }
    }

    /// The next line that contains `part`, skipping others; fails the test after a minute.
    @discardableResult
    func expect(_ part: String, _ location: SourceLocation = #_sourceLocation) throws -> String {
        try expect(anyOf: [part], location)
    }

    private func expect(anyOf parts: [String], _ location: SourceLocation) throws -> String {
        let deadline = MonotonicTime.now() + .seconds(60)
        var skipped: [String] = []
        while true {
            while let end = text.firstIndex(of: "\n") {
                let line = String(text[..<end])
                text = String(text[text.index(after: end)...])
                if parts.contains(where: { line.contains($0) }) { return line }
                skipped.append(line)
            }
            var poll = PollSet()
            poll.add(events)
            let left = deadline - MonotonicTime.now()
            guard left > .zero, !poll.wait(left).isEmpty else {
                Issue.record("no line with \(parts) after \(skipped)", sourceLocation: location)
                throw SupervisorError(.software, "expectation failed")
            }
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = read(events, &bytes, bytes.count)
            if count > 0 { text += String(decoding: bytes.prefix(count), as: UTF8.self) }
        }
    }

    /// The process id at the beginning of a child's line.
    func process(_ line: String) throws -> Int32 { try #require(Int32(line.prefix { $0 != " " })) }

    func signal(_ number: Int32) { _ = write(signals.write.number, [UInt8(number)], 1) }

    /// Waits for the supervisor's end; its exit code.
    func exitCode() -> Int32? {
        pthread_join(thread, nil)
        isJoined = true
        return outcome.code
    }

    deinit {
        if !isJoined {
            // Of a test that failed no process may stay: it would hold open what others wait for the end of.
            signal(SIGTERM)
            signal(SIGTERM)
            pthread_join(thread, nil)
        }
        close(events)
    }
}

/// A private folder that is removed with its last owner.
final class TemporaryFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/aig-supervision-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    deinit {
        let image = ChildImage(path: "/bin/rm", arguments: ["rm", "-rf", path], environment: [:])
        if let process = try? image.start() { _ = ProcessRuntime.ExitStatus.collect(process) }
    }
}
