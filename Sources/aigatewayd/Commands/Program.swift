import ArgumentParser
import Dispatch
import PostgresStore

/// Where the process begins.
///
/// The supervisor has to run on the main thread of a process that has no other thread: it blocks signals and its
/// children are bound to the life of the thread that made them. So this entry is not asynchronous; commands that are
/// run as a task while the main thread waits.
@main
enum Program {
    static func main() {
        do {
            var command = try DaemonCommand.parseAsRoot()
            guard command is any AsyncParsableCommand else { return try command.run() }
            Task { await runParsedAgain() }
        } catch {
            DaemonCommand.exit(withError: error)
        }
        dispatchMain()
    }

    /// Commands are not sendable, so the task reads the same arguments once more.
    private static func runParsedAgain() async {
        do {
            var command = try DaemonCommand.parseAsRoot()
            if var task = command as? any AsyncParsableCommand {
                try await ChangeAuthor.$current.withValue(.commandLine) { try await task.run() }
            } else {
                try command.run()
            }
            DaemonCommand.exit()
        } catch {
            DaemonCommand.exit(withError: error)
        }
    }
}
