import Glibc
import ProcessRuntime

/// A PostgreSQL server in the state directory, reached over a Unix socket only.
///
/// The socket's folder is open to the store's user and root alone; whoever gets there is trusted.
struct EmbeddedPostgres: EmbeddedStore {
    static let database = "aigatewayd"
    static let user = "aigatewayd"

    let home: StoreHome
    private let server: String

    /// Finds the programs, and makes the cluster with its database if there is none yet.
    ///
    /// Blocks for seconds then.
    init(stateDirectory: String, processUser: String?) throws(SupervisorError) {
        let folders = Self.versionFolders()
        guard let server = Programs.find("postgres", alsoIn: folders),
            let initdb = Programs.find("initdb", alsoIn: folders)
        else {
            throw SupervisorError(
                .unavailable,
                "no postgres and initdb in PATH or /usr/lib/postgresql: install PostgreSQL or set postgres.url"
            )
        }
        self.server = server
        home = try StoreHome(
            stateDirectory: stateDirectory, name: "postgres",
            users: processUser.map { [$0] } ?? ["postgres", "nobody"],
            socketName: ".s.PGSQL.5432"
        )
        if !Files.exists(data + "/PG_VERSION") { try create(initdb) }
    }

    /// Newest version first.
    private static func versionFolders() -> [String] {
        let root = "/usr/lib/postgresql"
        return Files.names(in: root).compactMap(Int.init).sorted(by: >).map { "\(root)/\($0)/bin" }
    }

    private var data: String { home.folder + "/data" }
    private var socketPath: String { home.socketFolder + "/.s.PGSQL.5432" }
    var logPath: String { home.logPath }

    var address: String {
        "postgres:///\(Self.database)?host=\(Self.escaped(home.socketFolder))&user=\(Self.user)"
    }

    private static func escaped(_ path: String) -> String {
        let kept = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/".utf8)
        return path.utf8.map {
            if kept.contains($0) { return String(UnicodeScalar($0)) }
            let digits = String($0, radix: 16, uppercase: true)
            return "%" + (digits.count < 2 ? "0" : "") + digits
        }.joined()
    }

    /// Under another name first, so that an interrupted attempt is never taken for a cluster.
    private func create(_ initdb: String) throws(SupervisorError) {
        let unfinished = home.folder + "/data.unfinished"
        Files.removeTree(unfinished)
        try run(
            initdb,
            [
                "-D", unfinished, "-U", Self.user, "--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums",
                "--no-instructions",
            ], input: ""
        )
        // A server for one session on its standard input: the database exists before anyone can connect.
        try run(server, ["--single", "-D", unfinished, "postgres"], input: "CREATE DATABASE \(Self.database)\n")
        guard rename(unfinished, data) == 0 else { throw Files.failed("rename", unfinished) }
    }

    private func run(_ program: String, _ arguments: [String], input: String) throws(SupervisorError) {
        let log = try Files.openLog(logPath)
        var image = home.image(program, arguments, log: log)
        image.deathSignal = SIGTERM
        let process: Int32
        do throws(SystemError) {
            image.descriptors[0] = try InheritedBytes.seal(Array(input.utf8), name: "input")
            process = try image.start()
        } catch { throw SupervisorError(error) }
        let status = ExitStatus.collect(process)
        guard status == .exited(0) else {
            let how = status.map { "\($0)" } ?? "an unknown status"
            throw SupervisorError(.unavailable, "\(program) ended with \(how):\n\(Files.lastLines(logPath))")
        }
    }

    func image() throws(SupervisorError) -> ChildImage {
        let pidFile = data + "/postmaster.pid"
        if let process = Files.text(pidFile)?.split(separator: "\n").first.flatMap({ Int32($0) }) {
            try home.endLeftover(process: process, named: "postgres", workingIn: data, signal: SIGINT)
            // Its writer is gone, and the number may be someone else's by now.
            unlink(pidFile)
        }
        var image = home.image(
            server,
            [
                "-D", data, "-k", home.socketFolder,
                "-c", "listen_addresses=", "-c", "port=5432", "-c", "unix_socket_permissions=0700",
                "-c", "max_connections=60", "-c", "shared_buffers=64MB", "-c", "max_wal_size=512MB",
                "-c", "wal_level=minimal", "-c", "max_wal_senders=0", "-c", "jit=off",
                "-c", "max_worker_processes=4", "-c", "log_min_messages=warning", "-c", "logging_collector=off",
            ], log: try Files.openLog(logPath)
        )
        image.deathSignal = SIGINT
        return image
    }

    /// A server that starts up refuses sessions with an error; one that lets us in answers `R` (authentication).
    func acceptsConnections() -> Bool {
        guard let socket = ListeningSocket.connect(unixPath: socketPath) else { return false }
        var body: [UInt8] = [0, 3, 0, 0]
        for word in ["user", Self.user, "database", Self.database] { body += Array(word.utf8) + [0] }
        body.append(0)
        let length = UInt32(body.count + 4)
        let message = (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) } + body
        return StoreProbe.ask(socket, message).first == UInt8(ascii: "R")
    }
}
