import GatewayCore
import Glibc
import NIOCore
import NIOPosix
import NIOSSL
import TestKit

/// A provider that does what the test says, byte by byte, over real sockets.
@WorkerLoop
final class ScriptedProvider {
    private let peers = Mailbox<Peer>()
    private(set) var accepted = 0
    private var channel: (any Channel)?

    /// Listens on a free port; `tls` makes it speak TLS.
    static func start(tls: NIOSSLContext? = nil) async throws -> ScriptedProvider {
        let provider = ScriptedProvider()
        provider.channel = try await ServerBootstrap(group: TestLoop.loop)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try WorkerLoop.onLoop {
                        if let tls {
                            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls))
                        }
                        let peer = Peer(channel: channel)
                        try channel.pipeline.syncOperations.addHandler(peer)
                        provider.accepted += 1
                        provider.peers.put(peer)
                    }
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return provider
    }

    var port: Int { channel?.localAddress?.port ?? 0 }

    func origin(_ scheme: Origin.Scheme = .http, host: String = "127.0.0.1") -> Origin {
        Origin(scheme: scheme, host: host, port: port)
    }

    /// The next connection.
    func accept() async -> Peer { await peers.take() }

    func stop() { channel?.close(promise: nil) }
}

/// The provider's end of one connection.
@WorkerLoop
final class Peer {
    struct Gone: Error {}

    private let channel: any Channel
    private var received: [UInt8] = []
    private(set) var receivedCount = 0
    private(set) var isClosed = false
    private var waiters: [CheckedContinuation<Void, Never>] = []
    private var keepsBytes = true

    init(channel: any Channel) { self.channel = channel }

    /// Waits for a request head and returns it, empty line included.
    func head() async throws -> String {
        while true {
            if let end = received.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound { return take(end) }
            try await more()
        }
    }

    /// Waits for exactly so many bytes.
    func bytes(_ count: Int) async throws -> String {
        while received.count < count { try await more() }
        return take(count)
    }

    /// Waits until so many bytes have come in all, without keeping them.
    func swallow(until count: Int) async throws {
        keepsBytes = false
        received = []
        while receivedCount < count { try await more() }
    }

    /// Waits until the client has closed the connection.
    func closed() async {
        while !isClosed { await change() }
    }

    func send(_ text: String) { send(ByteBuffer(string: text)) }

    func send(_ bytes: ByteBuffer) { channel.writeAndFlush(bytes, promise: nil) }

    /// Writes until neither the socket nor the channel takes more.
    func flood(_ piece: ByteBuffer, atMost limit: Int) -> Int {
        var sent = 0
        while channel.isWritable, sent < limit {
            send(piece)
            sent += piece.readableBytes
        }
        return sent
    }

    var isWritable: Bool { channel.isWritable }

    func writable() async { while !channel.isWritable, !isClosed { await change() } }

    func setReading(_ reading: Bool) throws {
        try channel.syncOptions?.setOption(.autoRead, value: reading)
    }

    func close() { channel.close(promise: nil) }

    /// Closes with a reset.
    func reset() throws {
        guard let socket = channel as? any SocketOptionProvider else { throw Gone() }
        socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in
            WorkerLoop.onLoop { self.closeSocket() }
        }
    }

    /// Closes the socket below TLS: no `close_notify`.
    func closeSocket() {
        if let tls = try? channel.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self) {
            tls.close(promise: nil)
        } else {
            channel.close(promise: nil)
        }
    }

    private func take(_ count: Int) -> String {
        defer { received.removeFirst(count) }
        return String(decoding: received[..<count], as: UTF8.self)
    }

    private func more() async throws {
        if isClosed { throw Gone() }
        await change()
    }

    private func change() async { await withCheckedContinuation { waiters.append($0) } }

    private func changed() {
        let waiters = waiters
        self.waiters = []
        for waiter in waiters { waiter.resume() }
    }

    private func arrived(_ bytes: ByteBuffer) {
        receivedCount += bytes.readableBytes
        if keepsBytes { received += bytes.readableBytesView }
        changed()
    }

    private func ended() {
        isClosed = true
        changed()
    }

    private func writabilityChanged() { changed() }
}

extension Peer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    nonisolated func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        WorkerLoop.onLoop { arrived(bytes) }
    }
    nonisolated func channelWritabilityChanged(context: ChannelHandlerContext) {
        WorkerLoop.onLoop { writabilityChanged() }
    }
    nonisolated func channelInactive(context: ChannelHandlerContext) {
        WorkerLoop.onLoop { ended() }
    }
    nonisolated func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
