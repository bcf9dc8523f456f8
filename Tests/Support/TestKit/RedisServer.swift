import Foundation
import Glibc

/// A throwaway Redis server on a Unix socket, which dies with the test process.
package final class RedisServer {
    package enum Failure: Error, CustomStringConvertible {
        case notReady(log: String)

        package var description: String {
            switch self {
            case .notReady(let log): "redis-server did not start: \(log)"
            }
        }
    }

    private let folder: URL
    private let options: [String]
    private let password: String?
    private var program: TestProgram?

    /// Where clients connect.
    package var socketPath: String { folder.path + "/redis.sock" }

    /// Starts the server and waits until it answers.
    /// - Parameter password: of the default user; nil: none is asked for.
    package init(password: String? = nil) throws {
        folder = URL(fileURLWithPath: "/tmp/aigw-redis-\(getpid())-\(UInt32.random(in: 0...0xffffff))")
        self.password = password
        options = password.map { ["--requirepass", $0] } ?? []
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        try start()
    }

    deinit {
        crash()
        try? FileManager.default.removeItem(at: folder)
    }

    /// Starts the server after `crash`.
    package func start() throws {
        let log = folder.path + "/server.log"
        let program = try TestProgram(
            [
                try TestProgram.path(of: "redis-server"), "--port", "0", "--unixsocket", socketPath, "--save", "",
                "--appendonly", "no", "--dir", folder.path,
            ] + options,
            log: log
        )
        self.program = program
        for _ in 0..<3000 {
            if (try? command("PING")) == "PONG" { return }
            guard program.isRunning else { break }
            usleep(10_000)
        }
        throw Failure.notReady(log: (try? String(contentsOfFile: log, encoding: .utf8)) ?? "")
    }

    /// Kills the server; its data is gone.
    package func crash() {
        program?.signal(SIGKILL)
        program?.waitUntilExit()
        program = nil
    }

    /// Stops the server where it is; it keeps its connections and takes new ones into the backlog.
    package func freeze() { program?.signal(SIGSTOP) }

    package func thaw() { program?.signal(SIGCONT) }

    /// Runs a command through `redis-cli`; for looking at the server from outside.
    @discardableResult
    package func command(_ words: String...) throws -> String {
        let login = password.map { ["-a", $0, "--no-auth-warning"] } ?? []
        return try TestProgram.run([try TestProgram.path(of: "redis-cli"), "-s", socketPath] + login + words)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
