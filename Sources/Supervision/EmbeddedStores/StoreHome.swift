import Glibc
import ProcessRuntime

/// Where an embedded store lives, and as whom.
///
/// Started as root, a store becomes another user (PostgreSQL insists). That user has to be able to get to its folder:
/// the state directory gets mode 0711 then, and if folders above it are closed too, the store keeps the capability to
/// search directories.
struct StoreHome: Sendable {
    /// The store's private folder in the state directory.
    let folder: String
    /// Folder for its Unix socket: `folder`, or a short one in /tmp when a socket's path there would be too long.
    let socketFolder: String
    let logPath: String
    /// Nil: the user of this process.
    let user: SystemUser?
    let directorySearch: ChildImage.DirectorySearch

    /// - Parameters:
    ///   - name: of the folder, and of the log beside it.
    ///   - users: accounts to run as when this process is root, the best first.
    ///   - socketName: name of the socket file, for its length.
    init(
        stateDirectory: String, name: String, users: [String], socketName: String
    ) throws(SupervisorError) {
        let folder = stateDirectory + "/" + name
        var user: SystemUser?
        if SystemUser.isRoot {
            user = users.lazy.compactMap { SystemUser(named: $0) }.first { $0.uid != 0 }
            if user == nil {
                throw SupervisorError(
                    .system, "embedded \(name) needs an account to run as: \(users.joined(separator: ", "))")
            }
        }
        try Files.makePrivate(folder, for: user)
        var search = ChildImage.DirectorySearch.ordinary
        if let user, !user.canReach(directory: folder) {
            chmod(stateDirectory, 0o711)
            if !user.canReach(directory: folder) { search = .everywhere }
        }
        var socketFolder = folder
        if "\(folder)/\(socketName)".utf8.count > 107 {
            socketFolder = "/tmp/aigatewayd-\(name)-\(Self.fingerprint(stateDirectory))"
            try Self.claim(socketFolder, for: user)
        }
        self.folder = folder
        self.socketFolder = socketFolder
        self.user = user
        logPath = "\(stateDirectory)/\(name).log"
        directorySearch = search
    }

    /// Takes a folder whose name others could have guessed: it must be ours, or the store's.
    private static func claim(_ path: String, for user: SystemUser?) throws(SupervisorError) {
        var facts = stat()
        if lstat(path, &facts) == 0 {
            let isOurs = facts.st_uid == geteuid() || facts.st_uid == user?.uid
            guard facts.st_mode & S_IFMT == S_IFDIR, isOurs else {
                throw SupervisorError(.system, "\(path) belongs to somebody else; use a shorter state_directory")
            }
        }
        try Files.makePrivate(path, for: user)
    }

    /// FNV-1a, in hexadecimal: tells state directories apart in /tmp.
    private static func fingerprint(_ text: String) -> String {
        String(text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }, radix: 16)
    }

    /// A program of the store, with its output in the log.
    func image(_ program: String, _ arguments: [String], log: OwnedDescriptor) -> ChildImage {
        let name = program.lastIndex(of: "/").map { String(program[program.index(after: $0)...]) } ?? program
        var environment = ChildImage.minimalEnvironment()
        environment["HOME"] = folder
        var image = ChildImage(path: program, arguments: [name] + arguments, environment: environment)
        image.directory = "/"
        image.user = user
        image.directorySearch = directorySearch
        image.descriptors = [1: log, 2: log]
        return image
    }

    /// Ends a store that an earlier supervisor left behind, and waits until it is gone (30 s at most).
    ///
    /// Its process is believed only when it is of that name and works in that folder: process ids are used again.
    /// - Returns: false when nothing of the kind runs.
    @discardableResult
    func endLeftover(process: Int32, named name: String, workingIn folder: String, signal: Int32)
        throws(SupervisorError)
        -> Bool
    {
        func isThere() -> Bool {
            Files.text("/proc/\(process)/comm") == name + "\n" && Files.linkTarget("/proc/\(process)/cwd") == folder
        }
        guard process > 1, isThere() else { return false }
        kill(process, signal)
        let deadline = MonotonicTime.now() + .seconds(30)
        while isThere() {
            guard MonotonicTime.now() < deadline else {
                throw SupervisorError(.unavailable, "\(name) of an earlier start (process \(process)) does not end")
            }
            usleep(20_000)
        }
        return true
    }
}
