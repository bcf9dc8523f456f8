import Foundation
import Glibc
import ProcessRuntime

/// A throwaway PostgreSQL cluster on a Unix socket, which dies with the test process.
///
/// Tests share one cluster and take a database of their own; a test that stops or freezes the server starts its own.
package actor PostgresServer {
    package enum Failure: Error, CustomStringConvertible {
        case notReady(log: String)
        case noAccount(String)

        package var description: String {
            switch self {
            case .notReady(let log): "PostgreSQL did not start: \(log)"
            case .noAccount(let name): "there is no account \(name) to run PostgreSQL as"
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
    private var program: TestProgram?
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
        try TestProgram.run(
            [try Self.path(of: "psql"), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql]
        ).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Kills the server like a crash.
    package func crash() throws {
        signalAll(SIGKILL)
        program?.waitUntilExit()
        program = nil
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
        let account = try Self.account()
        if let account { chown(folder.path, account.uid, account.gid) }
        try TestProgram.run(
            [
                try Self.path(of: "initdb"), "-D", folder.path + "/data", "-U", Self.user, "--auth=trust",
                "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions",
            ],
            user: account
        )
        try launch(in: folder)
        self.folder = folder
        return folder
    }

    private func launch(in folder: URL) throws {
        let log = folder.path + "/server.log"
        let program = try TestProgram(
            [
                try Self.path(of: "postgres"), "-D", folder.path + "/data", "-k", folder.path, "-c",
                "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200", "-c",
                "shared_buffers=32MB", "-c", "autovacuum=off", "-c", "jit=off",
            ],
            user: try Self.account(), log: log
        )
        self.program = program
        let isReady = [try Self.path(of: "pg_isready"), "-q", "-h", folder.path, "-U", Self.user]
        for _ in 0..<3000 {
            if (try? TestProgram.run(isReady)) != nil { return }
            guard program.isRunning else { break }
            usleep(20_000)
        }
        throw Failure.notReady(log: (try? String(contentsOfFile: log, encoding: .utf8)) ?? "")
    }

    private func signalAll(_ signal: Int32) {
        guard let program, program.isRunning else { return }
        let parent = program.process
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
        return try TestProgram.run([try Self.path(of: tool), "-h", folder.path, "-U", Self.user] + arguments)
    }

    /// The account that the server runs as; nil: this one, which PostgreSQL accepts unless it is root.
    private static func account() throws -> SystemUser? {
        guard SystemUser.isRoot else { return nil }
        guard let account = SystemUser(named: user) else { throw Failure.noAccount(user) }
        return account
    }

    private static func path(of name: String) throws -> String {
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []).sorted {
            (Int($0) ?? 0) > (Int($1) ?? 0)
        }
        return try TestProgram.path(of: name, in: versions.map { "/usr/lib/postgresql/\($0)/bin" })
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
