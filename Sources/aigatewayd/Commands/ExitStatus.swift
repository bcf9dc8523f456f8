import ArgumentParser
import Foundation

/// Exit statuses of `sysexits.h`.
enum ExitStatus: Int32 {
    case usage = 64
    case unavailable = 69
    case internalFailure = 70
    case contended = 75
    case configuration = 78

    /// Prints `message` on stderr and gives the error that ends the command with this status.
    func because(_ message: String) -> ExitCode {
        FileHandle.standardError.write(Data("aigatewayd: \(message)\n".utf8))
        return ExitCode(rawValue)
    }
}
