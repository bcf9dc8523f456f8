import Glibc
import ProcessRuntime

/// A Redis server in the state directory, reached over a Unix socket only.
struct EmbeddedRedis: EmbeddedStore {
    let home: StoreHome
    private let server: String

    init(stateDirectory: String, processUser: String?) throws(SupervisorError) {
        guard let server = Programs.find("redis-server", alsoIn: ["/usr/local/bin", "/usr/bin"]) else {
            throw SupervisorError(.unavailable, "no redis-server in PATH: install Redis or set redis.url")
        }
        self.server = server
        home = try StoreHome(
            stateDirectory: stateDirectory, name: "redis", users: processUser.map { [$0] } ?? ["redis", "nobody"],
            socketName: "redis.sock"
        )
    }

    private var socketPath: String { home.socketFolder + "/redis.sock" }
    private var pidFile: String { home.folder + "/redis.pid" }
    var logPath: String { home.logPath }
    var address: String { "unix:" + socketPath }

    func image() throws(SupervisorError) -> ChildImage {
        if let process = Files.text(pidFile)?.split(separator: "\n").first.flatMap({ Int32($0) }) {
            // Two servers on one append-only file would destroy it.
            try home.endLeftover(process: process, named: "redis-server", workingIn: home.folder, signal: SIGTERM)
            unlink(pidFile)
        }
        var image = home.image(
            server,
            [
                "--port", "0", "--unixsocket", socketPath, "--unixsocketperm", "700", "--dir", home.folder,
                "--pidfile", pidFile, "--daemonize", "no", "--appendonly", "yes", "--appendfsync", "everysec",
                "--save", "", "--set-proc-title", "no",
                // Clients decide what is cached, so something has to bound it. What goes first is what was used longest
                // ago: stored answers, not the counts of limits, which every request touches.
                "--maxmemory", "512mb", "--maxmemory-policy", "volatile-lru",
            ], log: try Files.openLog(logPath)
        )
        image.deathSignal = SIGTERM
        return image
    }

    /// A server that still reads its files answers `-LOADING`.
    func acceptsConnections() -> Bool {
        guard let socket = ListeningSocket.connect(unixPath: socketPath) else { return false }
        return StoreProbe.ask(socket, Array("PING\r\n".utf8)).starts(with: "+PONG".utf8)
    }
}
