import GatewayCore
import NIOCore

/// Hands what NIO reports of one connection to its `RedisConnection`.
///
/// NIO calls a handler on its channel's loop, which is the worker's: so its conformance is isolated to it.
@WorkerLoop
final class RedisInbound: @WorkerLoop ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let connection: RedisConnection
    private let attempt: UInt64

    init(_ connection: RedisConnection, attempt: UInt64) {
        self.connection = connection
        self.attempt = attempt
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connection.received(unwrapInboundIn(data), attempt: attempt)
    }

    func channelInactive(context: ChannelHandlerContext) {
        connection.lost("the connection was closed", attempt: attempt)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        connection.lost("\(error)", attempt: attempt)
    }
}
