import CProcessShim
import Glibc

/// How a process ended.
package enum ExitStatus: Sendable, Hashable, CustomStringConvertible {
    case exited(Int32)
    case killed(signal: Int32)

    /// Decodes what `waitpid` reports.
    package init(waitStatus: Int32) {
        self =
            aig_exited(waitStatus) != 0 ? .exited(aig_exit_code(waitStatus)) : .killed(signal: aig_signal(waitStatus))
    }

    package var description: String {
        switch self {
        case .exited(let code): "exit status \(code)"
        case .killed(let signal):
            "signal \(signal) (\(unsafe strsignal(signal).map { unsafe String(cString: $0) } ?? "?"))"
        }
    }

    /// A descriptor that becomes readable when that child has ended.
    package static func watch(_ process: Int32) throws(SystemError) -> OwnedDescriptor {
        OwnedDescriptor(try SystemError.check(aig_watch_process(process), "pidfd_open"))
    }

    /// How a child ended; nil while it lives.
    ///
    /// Never blocks. Collects it, so ask once.
    package static func collectIfEnded(_ process: Int32) -> ExitStatus? {
        var status: Int32 = 0
        return unsafe waitpid(process, &status, WNOHANG) == process ? ExitStatus(waitStatus: status) : nil
    }

    /// Waits for one child.
    ///
    /// Blocks; nil when it is not a child of this process.
    package static func collect(_ process: Int32) -> ExitStatus? {
        while true {
            var status: Int32 = 0
            if unsafe waitpid(process, &status, 0) == process { return ExitStatus(waitStatus: status) }
            guard errno == EINTR else { return nil }
        }
    }
}
