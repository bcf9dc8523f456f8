import GatewayCore
import NIOCore

/// The only handler of a client's channel: turns NIO's callbacks into calls of `ClientConnection`.
final class ClientHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let connection: ClientConnection

    init(_ connection: ClientConnection) { self.connection = connection }

    func handlerAdded(context: ChannelHandlerContext) {
        // SAFETY: contexts stay on their loop, which is the worker's.
        nonisolated(unsafe) let context = context
        WorkerLoop.onLoop { [connection] in connection.attach(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        WorkerLoop.onLoop { [connection] in connection.detach() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        WorkerLoop.onLoop { [connection] in connection.receive(bytes) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        WorkerLoop.onLoop { [connection] in connection.peerClosed() }
        context.fireChannelInactive()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        WorkerLoop.onLoop { [connection] in connection.writabilityChanged() }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func read(context: ChannelHandlerContext) {
        if WorkerLoop.onLoop({ [connection] in connection.allowsReading() }) { context.read() }
    }
}
