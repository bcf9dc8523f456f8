import GatewayCore
import NIOCore
import NIOSSL
import NIOTLS

/// One connection to a provider: the last handler of its channel, and what the pool keeps.
///
/// It moves bytes and reports what happened; what they mean is the exchange's business. It reads only on demand
/// (the channel's `autoRead` is off): while idle, to notice the peer's close; otherwise as long as the exchange wants.
@WorkerLoop
final class ProviderConnection {
    typealias Opened = @WorkerLoop (ProviderConnection, Result<ConnectionProtocol, ConnectFailure>) -> Void

    /// Successors: `opening` → `open` → `closed`, `opening` → `closed`.
    private enum State {
        case opening(Opened)
        case open
        case closed
    }

    let pool: OriginPool
    private let client: PooledUpstream
    private let usesTLS: Bool
    private var state: State
    private var context: ChannelHandlerContext?
    private var exchange: ProviderExchange?
    private var isReadOutstanding = false
    /// Whether something was written that leaves at the end of the turn.
    private var isDirty = false
    /// What went wrong below, for the report when the channel is gone.
    private var problem: String?
    private var wasCut = false
    private var lastActivity: UInt32

    /// Whether it has carried an exchange before the present one.
    private(set) var isReused = false

    /// - Parameter opened: called once, when the connection can be used or when it cannot be had.
    init(
        pool: OriginPool, client: PooledUpstream, usesTLS: Bool,
        opened: @escaping Opened
    ) {
        self.pool = pool
        self.client = client
        self.usesTLS = usesTLS
        state = .opening(opened)
        lastActivity = client.tick
    }

    var isOpen: Bool {
        if case .open = state { return true }
        return false
    }

    // MARK: For the exchange

    /// Gives the connection to `exchange`, which writes and is told what arrives.
    func begin(_ exchange: ProviderExchange) {
        precondition(self.exchange == nil, "two exchanges on one HTTP/1.1 connection")
        self.exchange = exchange
        lastActivity = client.tick
    }

    /// Ends the exchange.
    ///
    /// The connection must then be returned to the pool or closed.
    func endExchange() {
        exchange = nil
        isReused = true
    }

    /// Whether the channel takes more bytes now; kept here because the channel is far to ask.
    private(set) var isWritable = false

    func write(_ bytes: ByteBuffer) { context?.write(NIOAny(bytes), promise: nil) }

    /// Sends what was written: at the end of the turn, so that the requests of one turn wake their providers together.
    func flush() {
        lastActivity = client.tick
        guard !isDirty else { return }
        isDirty = true
        client.flushAtTurnEnd(self)
    }

    func flushNow() {
        isDirty = false
        context?.flush()
    }

    /// Asks for more bytes unless that has been done already.
    func read() {
        guard !isReadOutstanding, isOpen, let context else { return }
        isReadOutstanding = true
        context.read()
    }

    /// Closes without ceremony: no TLS farewell that a peer which has stopped reading could delay.
    func closeNow() {
        guard let context else { return }
        if usesTLS, let tls = try? context.pipeline.syncOperations.context(handlerType: NIOSSLClientHandler.self) {
            tls.close(promise: nil)
        } else {
            context.close(promise: nil)
        }
    }

    /// Closes an idle connection politely.
    func close() { context?.close(promise: nil) }

    /// Counts the time without a byte anew: until now nobody wanted one.
    func restartIdleTime() { lastActivity = client.tick }

    /// Tells the exchange when nothing has moved for as long as its request allows.
    func checkIdleTime(at tick: UInt32) {
        exchange?.checkIdleTime(ticks: tick &- lastActivity)
    }

    // MARK: Events of the channel

    private func attached(_ context: ChannelHandlerContext) {
        self.context = context
        isWritable = context.channel.isWritable
    }

    private func becameActive() {
        isReadOutstanding = true
        context?.read()
        if !usesTLS { opened(ConnectionProtocol(negotiated: nil)) }
    }

    private func opened(_ chosen: ConnectionProtocol?) {
        guard case .opening(let report) = state else { return }
        guard let chosen else {
            state = .closed
            closeNow()
            return report(self, .failure(ConnectFailure(.tls, "the provider chose a protocol that was not offered")))
        }
        state = .open
        report(self, .success(chosen))
    }

    private func received(_ bytes: ByteBuffer) {
        lastActivity = client.tick
        if let exchange {
            exchange.received(bytes)
        } else if isOpen {
            // Nobody asked for this: the connection cannot be trusted with another request.
            client.discard(self)
        }
    }

    private func finishedReading() {
        isReadOutstanding = false
        if exchange?.wantsBytes ?? true { read() }
    }

    private func caught(_ error: any Error) {
        if let error = error as? NIOSSLError, case .uncleanShutdown = error {
            wasCut = true
            return
        }
        wasCut = true
        if problem == nil { problem = String(describing: error) }
        if case .opening(let report) = state {
            state = .closed
            closeNow()
            return report(self, .failure(ConnectFailure(usesTLS ? .tls : .network, problem ?? "")))
        }
        closeNow()
    }

    private func becameInactive() {
        let before = state
        state = .closed
        switch before {
        case .opening(let report):
            report(self, .failure(ConnectFailure(.network, problem ?? "closed before it could be used")))
        case .open, .closed:
            let exchange = exchange
            self.exchange = nil
            client.closed(self)
            exchange?.connectionEnded(wasCut ? .broken : .orderly, reason: problem)
        }
    }

    private func writabilityChanged() {
        isWritable = context?.channel.isWritable ?? false
        exchange?.writabilityChanged()
    }

    private func detached() {
        context = nil
        isWritable = false
    }
}

/// NIO calls a handler on its channel's loop, which is the worker's.
extension ProviderConnection: @WorkerLoop ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func handlerAdded(context: ChannelHandlerContext) { attached(context) }

    func handlerRemoved(context: ChannelHandlerContext) { detached() }

    func channelActive(context: ChannelHandlerContext) { becameActive() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .handshakeCompleted(let negotiated)? = event as? TLSUserEvent else { return }
        opened(ConnectionProtocol(negotiated: negotiated))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { received(unwrapInboundIn(data)) }

    func channelReadComplete(context: ChannelHandlerContext) { finishedReading() }

    func channelWritabilityChanged(context: ChannelHandlerContext) { writabilityChanged() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { caught(error) }

    func channelInactive(context: ChannelHandlerContext) { becameInactive() }
}
