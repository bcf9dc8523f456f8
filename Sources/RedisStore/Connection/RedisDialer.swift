import GatewayCore
import NIOCore
import NIOPosix
import NIOSSL

/// Opens connections to one Redis endpoint and knows what has to be said first on each.
struct RedisDialer: Sendable {
    let endpoint: RedisEndpoint
    private let tls: NIOSSLContext?

    /// - Parameter caFile: PEM file with additional roots for TLS.
    init(_ endpoint: RedisEndpoint, caFile: String?) throws(RedisStoreError) {
        self.endpoint = endpoint
        guard endpoint.usesTLS else {
            tls = nil
            return
        }
        var configuration = TLSConfiguration.makeClientConfiguration()
        if let caFile { configuration.additionalTrustRoots = [.file(caFile)] }
        do {
            tls = try NIOSSLContext(configuration: configuration)
        } catch {
            throw RedisStoreError("TLS cannot be set up: \(error)")
        }
    }

    /// Connects; `install` adds the handler that reads replies.
    func connect(
        on group: any EventLoopGroup, within deadline: TimeAmount,
        install: @escaping @Sendable (any Channel) throws -> Void
    ) -> EventLoopFuture<any Channel> {
        let tls = tls
        let serverName = serverName
        let bootstrap = ClientBootstrap(group: group)
            .connectTimeout(deadline)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: serverName)
                        )
                    }
                    try install(channel)
                }
            }
        switch endpoint.address {
        case .unix(let path): return bootstrap.connect(unixDomainSocketPath: path)
        case .tcp(let host, let port): return bootstrap.connect(host: host, port: port)
        }
    }

    /// Nil for addresses, which cannot be server names.
    private var serverName: String? {
        guard case .tcp(let host, _) = endpoint.address else { return nil }
        return (try? SocketAddress(ipAddress: host, port: 0)) == nil ? host : nil
    }

    /// Commands at the start of every connection; each has to be answered without an error.
    var handshake: [(name: String, command: RedisCommand)] {
        var commands: [(name: String, command: RedisCommand)] = []
        if let password = endpoint.password {
            var command = RedisCommand("AUTH")
            if let username = endpoint.username { command.append(username) }
            command.append(password.reveal())
            commands.append(("AUTH", command))
        }
        if endpoint.database != 0 {
            commands.append(("SELECT", RedisCommand("SELECT", String(endpoint.database))))
        }
        commands.append(("CLIENT SETNAME", RedisCommand("CLIENT", "SETNAME", "aigatewayd")))
        commands.append(("PING", RedisCommand("PING")))
        return commands
    }
}
