import GatewayCore
import NIOCore

/// Hands what NIO reports of one connection to its `RedisConnection`.
final class RedisInbound: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let connection: RedisConnection
    private let attempt: UInt64

    init(_ connection: RedisConnection, attempt: UInt64) {
        self.connection = connection
        self.attempt = attempt
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        WorkerLoop.onLoop { [connection, attempt] in connection.received(buffer, attempt: attempt) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        WorkerLoop.onLoop { [connection, attempt] in connection.lost("the connection was closed", attempt: attempt) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let reason = "\(error)"
        WorkerLoop.onLoop { [connection, attempt] in connection.lost(reason, attempt: attempt) }
    }
}
