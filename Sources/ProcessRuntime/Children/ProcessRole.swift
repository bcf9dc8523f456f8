import CProcessShim
import Glibc

/// What a process of the daemon is, and how it presents itself to the operating system.
package enum ProcessRole: Sendable, Hashable {
    case supervisor
    case front
    case worker(slot: Int)
    case control

    /// What `ps` shows (contract, "Processes").
    package var title: String {
        switch self {
        case .supervisor: "aigatewayd: supervisor"
        case .front: "aigatewayd: front"
        case .worker(let slot): "aigatewayd: worker \(slot)"
        case .control: "aigatewayd: control"
        }
    }

    /// The name of the process' main thread, at most 15 bytes.
    var shortName: String {
        switch self {
        case .supervisor: "aig-supervisor"
        case .front: "aig-front"
        case .worker(let slot): "aig-worker-\(slot)"
        case .control: "aig-control"
        }
    }

    /// First thing in every process: title, no core dumps, and the signals a terminal or a closed pipe would send.
    ///
    /// Reads the command line before the title overwrites it, so `CommandLine.arguments` stays as it was.
    package func assume() {
        _ = CommandLine.arguments
        unsafe aig_set_process_title(title, shortName)
        aig_forbid_core_dumps()
        aig_ignore_signal(SIGPIPE)
        _ = aig_raise_descriptor_limit()
        if self != .supervisor {
            // They are the supervisor's: it tells its children over their links.
            aig_ignore_signal(SIGINT)
            aig_ignore_signal(SIGHUP)
        }
    }
}
