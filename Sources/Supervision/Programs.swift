import Glibc

/// Where the executables of the children are.
package struct Programs: Sendable, Equatable {
    /// Runs `control --inherited`.
    package var daemon: String
    /// Runs `front` and `worker`.
    package var worker: String

    package init(daemon: String, worker: String) {
        self.daemon = daemon
        self.worker = worker
    }

    /// The running executable, and `aigatewayd-worker` beside it or in `../libexec`.
    package static func installed() throws(SupervisorError) -> Programs {
        guard let own = Files.linkTarget("/proc/self/exe") else {
            throw SupervisorError(.system, "the path of this executable cannot be found out")
        }
        // After an update on disk the link of a running process names a deleted file.
        let path = own.hasSuffix(" (deleted)") ? String(own.dropLast(10)) : own
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
        for candidate in [folder + "/aigatewayd-worker", folder + "/../libexec/aigatewayd-worker"]
        where access(candidate, X_OK) == 0 {
            return Programs(daemon: path, worker: candidate)
        }
        throw SupervisorError(.system, "aigatewayd-worker is neither in \(folder) nor in \(folder)/../libexec")
    }

    /// An executable of that name in `PATH` or in one of `folders`; nil when there is none.
    static func find(_ name: String, alsoIn folders: [String]) -> String? {
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
        let places = path.split(separator: ":").map(String.init) + folders
        return places.map { $0 + "/" + name }.first { access($0, X_OK) == 0 }
    }
}
