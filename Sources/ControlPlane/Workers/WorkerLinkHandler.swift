import GatewayCore
import NIOCore

/// Turns one worker's bytes into messages.
final class WorkerLinkHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    enum Event: Sendable {
        case opened(any Channel)
        case message(any Channel, ControlLink.FromWorker)
        /// The worker reads again after it had fallen behind.
        case writable(any Channel)
        case closed(any Channel)
    }

    /// A worker has nothing to say that is longer.
    private static let maxPending = 1 << 20

    private let events: AsyncStream<Event>.Continuation
    private var pending = ByteBuffer()

    init(_ events: AsyncStream<Event>.Continuation) { self.events = events }

    func channelActive(context: ChannelHandlerContext) {
        events.yield(.opened(context.channel))
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        pending.writeBuffer(&bytes)
        do throws(ControlLink.Malformed) {
            while let message = try ControlLink.decodeFromWorker(&pending) {
                events.yield(.message(context.channel, message))
            }
            if pending.readableBytes == 0 { pending.clear() }
            if pending.readableBytes > Self.maxPending { throw ControlLink.Malformed() }
        } catch {
            pending.clear()
            context.close(promise: nil)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { events.yield(.writable(context.channel)) }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        events.yield(.closed(context.channel))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
