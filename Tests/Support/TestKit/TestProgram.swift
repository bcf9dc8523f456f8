import Foundation
import Glibc
package import ProcessRuntime
import Synchronization

/// A program that a test has started.
///
/// It gets three standard descriptors and nothing else of this process: a descriptor that leaked into a server would
/// keep whoever reads its other end waiting for as long as that server lives. It dies with the test process.
package final class TestProgram: Sendable {
    package enum Failure: Error, CustomStringConvertible {
        case missing(String)
        case failed(command: [String], status: ExitStatus?, output: String)

        package var description: String {
            switch self {
            case .missing(let name): "\(name) is not installed"
            case .failed(let command, let status, let output):
                "\(command.joined(separator: " ")): \(status.map { "\($0)" } ?? "lost"): \(output)"
            }
        }
    }

    package let process: Int32
    private let end = Mutex<ExitStatus?>(nil)

    /// Starts a server.
    ///
    /// - Parameters:
    ///   - command: the absolute path of the executable, and its arguments.
    ///   - user: the account to run as; nil: this one.
    ///   - log: the file that its output goes to; made when it is not there.
    package init(_ command: [String], user: SystemUser? = nil, log: String) throws {
        let output = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard output >= 0 else { throw SystemError("open \(log)", code: errno) }
        process = try Self.start(command, user: user, directory: nil, output: OwnedDescriptor(output))
    }

    /// Runs a program to its end and returns what it wrote to both outputs.
    ///
    /// Blocks the calling thread.
    @discardableResult
    package static func run(_ command: [String], user: SystemUser? = nil, directory: String? = nil) throws -> String {
        let output = try temporaryFile()
        let process = try start(command, user: user, directory: directory, output: output)
        let status = ExitStatus.collect(process)
        let text = String(decoding: InheritedBytes.read(descriptor: output.number), as: UTF8.self)
        guard status == .exited(0) else { throw Failure.failed(command: command, status: status, output: text) }
        return text
    }

    /// The path of an installed program, looked for in `folders` and then where the shell would.
    package static func path(of name: String, in folders: [String] = []) throws -> String {
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        for folder in folders + path + ["/usr/bin", "/usr/local/bin"]
        where FileManager.default.isExecutableFile(atPath: "\(folder)/\(name)") {
            return "\(folder)/\(name)"
        }
        throw Failure.missing(name)
    }

    package var isRunning: Bool {
        end.withLock { end in
            if end == nil { end = ExitStatus.collectIfEnded(process) }
            return end == nil
        }
    }

    /// Sends a signal unless the program has ended.
    package func signal(_ number: Int32) { if isRunning { kill(process, number) } }

    /// Waits for the program's end.
    package func waitUntilExit() {
        end.withLock { end in if end == nil { end = ExitStatus.collect(process) } }
    }

    /// An empty file without a name.
    private static func temporaryFile() throws -> OwnedDescriptor {
        let name = "/tmp/aigw-output-\(UUID().uuidString)"
        let number = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard number >= 0 else { throw SystemError("open \(name)", code: errno) }
        unlink(name)
        return OwnedDescriptor(number)
    }

    private static func start(
        _ command: [String], user: SystemUser?, directory: String?, output: OwnedDescriptor
    ) throws -> Int32 {
        let nothing = open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard nothing >= 0 else { throw SystemError("open /dev/null", code: errno) }
        guard let path = command.first else { throw Failure.missing("a program") }
        var image = ChildImage(path: path, arguments: command, environment: ChildImage.minimalEnvironment())
        image.descriptors = [0: OwnedDescriptor(nothing), 1: output, 2: output]
        image.directory = directory ?? "/"
        image.user = user
        image.deathSignal = SIGKILL
        let prepared = image
        return try KeeperThread.shared.run { try prepared.start() }
    }
}
