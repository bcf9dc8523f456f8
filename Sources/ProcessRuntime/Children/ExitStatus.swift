import CProcessShim
import Glibc

/// How a process ended.
package enum ExitStatus: Sendable, Hashable, CustomStringConvertible {
    case exited(Int32)
    case killed(signal: Int32)

    /// Decodes what `waitpid` reports.
    package init(waitStatus: Int32) {
        self = aig_exited(waitStatus) != 0 ? .exited(aig_exit_code(waitStatus)) : .killed(signal: aig_signal(waitStatus))
    }

    package var description: String {
        switch self {
        case .exited(let code): "exit status \(code)"
        case .killed(let signal): "signal \(signal) (\(unsafe strsignal(signal).map { unsafe String(cString: $0) } ?? "?"))"
        }
    }

    /// The next child that has ended and was not collected yet; nil when there is none. Never blocks.
    package static func collectAny() -> (process: Int32, status: ExitStatus)? {
        while true {
            var status: Int32 = 0
            let process = unsafe waitpid(-1, &status, WNOHANG)
            if process > 0 { return (process, ExitStatus(waitStatus: status)) }
            guard process < 0, errno == EINTR else { return nil }
        }
    }

    /// Waits for one child. Blocks; nil when it is not a child of this process.
    package static func collect(_ process: Int32) -> ExitStatus? {
        while true {
            var status: Int32 = 0
            if unsafe waitpid(process, &status, 0) == process { return ExitStatus(waitStatus: status) }
            guard errno == EINTR else { return nil }
        }
    }
}
