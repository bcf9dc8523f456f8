import Foundation
import Glibc

/// A throwaway PostgreSQL cluster on a Unix socket, which dies with the test process.
///
/// Tests share one cluster and take a database of their own; a test that stops or freezes the server starts its own.
package actor PostgresServer {
    package enum Failure: Error, CustomStringConvertible {
        case missingBinary(String)
        case failed(command: String, output: String)
        case notReady(log: String)

        package var description: String {
            switch self {
            case .missingBinary(let name): "PostgreSQL's \(name) is not installed"
            case .failed(let command, let output): "\(command) failed: \(output)"
            case .notReady(let log): "PostgreSQL did not start: \(log)"
            }
        }
    }

    /// The cluster that the tests of this process share.
    package static let shared = PostgresServer()

    private static let user = "postgres"
    /// Starting and asking programs blocks; it must not hold a thread that other tests run on.
    private nonisolated let executor = QueueExecutor()
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private var folder: URL?
    private var process: Process?
    private var templates: [String: Task<Void, any Error>] = [:]
    private var counter = 0

    package init() {}

    /// The address of a database of this cluster.
    package func url(database: String) throws -> String {
        "postgresql:///\(database)?host=\(try started().path)&user=\(Self.user)"
    }

    /// Makes an empty database and returns its address.
    package func emptyDatabase() throws -> String { try makeDatabase(from: "template0") }

    /// Makes a database as `prepare` left the template of that name, and returns its address.
    ///
    /// - Parameters:
    ///   - template: a name for what `prepare` does; it runs once per process and name.
    ///   - prepare: receives the address of the database to fill; must close its connections.
    package func database(
        template: String, prepare: @escaping @Sendable (String) async throws -> Void
    ) async throws -> String {
        let name = "template_" + template
        if let preparation = templates[template] {
            try await preparation.value
        } else {
            let address = try url(database: name)
            try run("createdb", "-T", "template0", name)
            let preparation = Task { try await prepare(address) }
            templates[template] = preparation
            try await preparation.value
        }
        return try makeDatabase(from: name)
    }

    private func makeDatabase(from template: String) throws -> String {
        _ = try started()
        counter += 1
        let name = "test_\(counter)"
        try run("createdb", "-T", template, name)
        return try url(database: name)
    }

    /// Runs SQL through `psql` and returns its unaligned output; for looking at a database from outside.
    @discardableResult
    package func psql(_ url: String, _ sql: String) throws -> String {
        try Self.execute(
            try Self.binary("psql"), ["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql]
        ).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Kills the server like a crash.
    package func crash() throws {
        guard let process else { return }
        signalAll(SIGKILL)
        process.waitUntilExit()
        self.process = nil
    }

    /// Starts the server again after `crash`.
    package func restart() throws { try launch(in: try started()) }

    /// Stops every process of the server where it is.
    package func freeze() { signalAll(SIGSTOP) }
    package func thaw() { signalAll(SIGCONT) }

    /// Ends the cluster and removes its files.
    package func shutDown() throws {
        try crash()
        if let folder { try FileManager.default.removeItem(at: folder) }
        folder = nil
    }

    private func started() throws -> URL {
        if let folder { return folder }
        Self.removeLeftovers()
        let folder = URL(fileURLWithPath: "/tmp/aigw-pg-\(getpid())-\(UInt32.random(in: 0...0xffffff))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        if getuid() == 0 { try Self.execute("/bin/chown", [Self.user, folder.path]) }
        let initdb = try Self.binary("initdb")
        try Self.execute(
            Self.unprivileged[0],
            Array(Self.unprivileged.dropFirst()) + [
                initdb, "-D", folder.path + "/data", "-U", Self.user, "--auth=trust", "--encoding=UTF8", "--locale=C",
                "--no-sync", "--no-instructions",
            ]
        )
        try launch(in: folder)
        self.folder = folder
        return folder
    }

    private func launch(in folder: URL) throws {
        let process = Process()
        let command =
            Self.unprivileged + [
                try Self.binary("postgres"), "-D", folder.path + "/data", "-k", folder.path, "-c", "listen_addresses=",
                "-c", "fsync=off", "-c", "full_page_writes=off", "-c",
                "max_connections=200", "-c", "shared_buffers=32MB", "-c", "autovacuum=off", "-c", "jit=off",
            ]
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        let log = folder.path + "/server.log"
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        let output = FileHandle(forWritingAtPath: log)
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try KeeperThread.shared.run { try process.run() }
        self.process = process
        let ready = try Self.binary("pg_isready")
        for _ in 0..<300 {
            if (try? Self.execute(ready, ["-q", "-h", folder.path, "-U", Self.user])) != nil { return }
            guard process.isRunning else { break }
            usleep(20_000)
        }
        throw Failure.notReady(log: (try? String(contentsOfFile: log, encoding: .utf8)) ?? "")
    }

    private func signalAll(_ signal: Int32) {
        guard let process, process.isRunning else { return }
        let parent = process.processIdentifier
        var targets = [parent]
        for entry in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let candidate = Int32(entry),
                let status = try? String(contentsOfFile: "/proc/\(entry)/stat", encoding: .utf8),
                let end = status.lastIndex(of: ")")
            else { continue }
            let fields = status[status.index(after: end)...].split(separator: " ")
            if fields.count > 1, Int32(fields[1]) == parent { targets.append(candidate) }
        }
        for target in targets { kill(target, signal) }
    }

    @discardableResult
    private func run(_ tool: String, _ arguments: String...) throws -> String {
        let folder = try started()
        return try Self.execute(try Self.binary(tool), ["-h", folder.path, "-U", Self.user] + arguments)
    }

    /// What a command is prefixed with so that it runs as a plain user and dies with this process.
    private static var unprivileged: [String] {
        let identity = getuid() == 0 ? ["--reuid", user, "--regid", user, "--clear-groups"] : []
        return ["/usr/bin/setpriv"] + identity + ["--pdeathsig", "KILL", "--"]
    }

    private static func binary(_ name: String) throws -> String {
        let manager = FileManager.default
        let versions = ((try? manager.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []).sorted {
            (Int($0) ?? 0) > (Int($1) ?? 0)
        }
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        for folder in versions.map({ "/usr/lib/postgresql/\($0)/bin" }) + path
        where manager.isExecutableFile(atPath: "\(folder)/\(name)") {
            return "\(folder)/\(name)"
        }
        throw Failure.missingBinary(name)
    }

    @discardableResult
    private static func execute(_ executable: String, _ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: "/")
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        process.standardInput = FileHandle.nullDevice
        try KeeperThread.shared.run { try process.run() }
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure.failed(command: executable, output: output) }
        return output
    }

    /// Removes the files of clusters whose test process is gone.
    private static func removeLeftovers() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/tmp")) ?? [] {
            let parts = name.split(separator: "-")
            guard name.hasPrefix("aigw-pg-"), parts.count == 4, let owner = Int32(parts[2]), kill(owner, 0) != 0,
                errno == ESRCH
            else { continue }
            try? FileManager.default.removeItem(atPath: "/tmp/" + name)
        }
    }
}

/// Runs an actor's jobs on a dispatch queue of its own.
private final class QueueExecutor: SerialExecutor {
    private let queue = DispatchQueue(label: "postgres server")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}

/// A thread that lives as long as the process and starts the children.
///
/// A child's death signal is tied to the thread that started it, and threads of the concurrency pool come and go.
final class KeeperThread: Sendable {
    static let shared = KeeperThread()

    // SAFETY: `work` is read and written only with `condition` locked.
    private let condition = NSCondition()
    nonisolated(unsafe) private var work: [() -> Void] = []

    private init() {
        Thread { [self] in
            while true {
                condition.lock()
                while work.isEmpty { condition.wait() }
                let next = work.removeFirst()
                condition.unlock()
                next()
            }
        }.start()
    }

    func run(_ body: @escaping () throws -> Void) throws {
        // SAFETY: written by the keeper before the semaphore is signalled, read after it.
        nonisolated(unsafe) var failure: (any Error)?
        let done = DispatchSemaphore(value: 0)
        condition.lock()
        work.append {
            do { try body() } catch { failure = error }
            done.signal()
        }
        condition.signal()
        condition.unlock()
        done.wait()
        if let failure { throw failure }
    }
}
