import GatewayCore
import NIOCore

/// The only handler of a client's channel: turns NIO's callbacks into calls of `ClientConnection`.
///
/// NIO calls a handler on its channel's loop, which is the worker's: so its conformances are isolated to it.
@WorkerLoop
final class ClientHandler: @WorkerLoop ChannelInboundHandler, @WorkerLoop ChannelOutboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let connection: ClientConnection

    init(_ connection: ClientConnection) { self.connection = connection }

    func handlerAdded(context: ChannelHandlerContext) { connection.attach(context) }

    func handlerRemoved(context: ChannelHandlerContext) { connection.detach() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { connection.receive(unwrapInboundIn(data)) }

    func channelInactive(context: ChannelHandlerContext) {
        connection.peerClosed()
        context.fireChannelInactive()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        connection.writabilityChanged()
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func read(context: ChannelHandlerContext) {
        if connection.allowsReading() { context.read() }
    }
}
