import Foundation
import Glibc

/// A throwaway Redis server on a Unix socket, which dies with the test process.
package final class RedisServer {
    package enum Failure: Error, CustomStringConvertible {
        case missingBinary(String)
        case notReady(log: String)
        case failed(command: [String], output: String)

        package var description: String {
            switch self {
            case .missingBinary(let name): "\(name) is not installed"
            case .notReady(let log): "redis-server did not start: \(log)"
            case .failed(let command, let output): "redis-cli \(command.joined(separator: " ")) failed: \(output)"
            }
        }
    }

    private let folder: URL
    private let options: [String]
    private let password: String?
    private var process: Process?

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
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
        process.arguments =
            [
                "--pdeathsig", "KILL", "--", try Self.binary("redis-server"), "--port", "0", "--unixsocket", socketPath,
                "--save", "", "--appendonly", "no", "--dir", folder.path,
            ] + options
        let log = folder.path + "/server.log"
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        let output = FileHandle(forWritingAtPath: log)
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try KeeperThread.shared.run { try process.run() }
        self.process = process
        for _ in 0..<500 {
            if (try? command("PING")) == "PONG" { return }
            guard process.isRunning else { break }
            usleep(10_000)
        }
        throw Failure.notReady(log: (try? String(contentsOfFile: log, encoding: .utf8)) ?? "")
    }

    /// Kills the server; its data is gone.
    package func crash() {
        guard let process else { return }
        kill(process.processIdentifier, SIGCONT)
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        self.process = nil
    }

    /// Stops the server where it is; it keeps its connections and takes new ones into the backlog.
    package func freeze() {
        guard let process else { return }
        kill(process.processIdentifier, SIGSTOP)
    }

    package func thaw() {
        guard let process else { return }
        kill(process.processIdentifier, SIGCONT)
    }

    /// Runs a command through `redis-cli`; for looking at the server from outside.
    @discardableResult
    package func command(_ words: String...) throws -> String {
        let client = Process()
        client.executableURL = URL(fileURLWithPath: try Self.binary("redis-cli"))
        let login = password.map { ["-a", $0, "--no-auth-warning"] } ?? []
        client.arguments = ["-s", socketPath] + login + words
        let pipe = Pipe()
        client.standardOutput = pipe
        client.standardError = pipe
        client.standardInput = FileHandle.nullDevice
        try KeeperThread.shared.run { try client.run() }
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        client.waitUntilExit()
        guard client.terminationStatus == 0 else { throw Failure.failed(command: words, output: output) }
        return output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private static func binary(_ name: String) throws -> String {
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        for folder in path + ["/usr/bin", "/usr/local/bin"]
        where FileManager.default.isExecutableFile(atPath: "\(folder)/\(name)") {
            return "\(folder)/\(name)"
        }
        throw Failure.missingBinary(name)
    }
}
