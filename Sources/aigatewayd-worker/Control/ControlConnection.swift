import GatewayCore
import Glibc
import NIOCore
import NIOPosix
import WorkerRuntime

/// The worker's line to its node's control process: brings snapshots, asks for what only control may write.
///
/// Lost lines are renewed for as long as the process lives; the last good snapshot stays in force meanwhile.
@WorkerLoop
final class ControlConnection: SnapshotSource, GatewayProvisioner {
    private let loop: any EventLoop
    private let path: String
    private let slot: Int
    private let observer: any Observer
    private let storeChanged: @WorkerLoop (Observation.Store, _ isAvailable: Bool, _ since: Instant) -> Void
    private let snapshotChanged: @WorkerLoop (UInt64) -> Void
    private let timers: LoopTimer
    private var channel: (any Channel)?
    private var received = ByteBuffer()
    private var waiting: [UInt64: CheckedContinuation<GatewayError?, Never>] = [:]
    private var nextRequest: UInt64 = 1
    private var isReported = false

    private(set) var current: SnapshotIndex?

    /// How long a request of ours may take.
    private static let answerDeadline = Duration.seconds(5)
    private static let retryDelay = Duration.milliseconds(100)

    init(
        loop: any EventLoop, path: String, slot: Int, observer: any Observer,
        snapshotChanged: @escaping @WorkerLoop (UInt64) -> Void,
        storeChanged: @escaping @WorkerLoop (Observation.Store, _ isAvailable: Bool, _ since: Instant) -> Void
    ) {
        self.loop = loop
        self.path = path
        self.slot = slot
        self.observer = observer
        self.snapshotChanged = snapshotChanged
        self.storeChanged = storeChanged
        timers = LoopTimer(loop: loop)
    }

    /// Takes a snapshot into force unless it is older than the present one.
    func adopt(_ bytes: ByteBuffer) {
        guard let snapshot = ConfigSnapshot(decoding: bytes) else {
            observer.record(.snapshotRejected(reason: "damaged"))
            return
        }
        if let current, current.version > snapshot.version {
            observer.record(.snapshotRejected(reason: "older than the one in force"))
            return
        }
        current = SnapshotIndex(snapshot)
        snapshotChanged(snapshot.version)
        observer.record(.snapshotLoaded(version: snapshot.version, gateways: snapshot.gateways.count))
    }

    func start() {
        let connection = self
        ClientBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ControlHandler(connection))
                }
            }
            .connect(unixDomainSocketPath: path)
            .whenFailure { _ in WorkerLoop.onLoop { [connection] in connection.lost() } }
    }

    fileprivate func connected(_ channel: any Channel) {
        self.channel = channel
        received = ByteBuffer()
        isReported = false
        observer.record(.controlConnected)
        send(.hello(slot: slot, processID: getpid(), snapshotVersion: current?.version ?? 0))
    }

    fileprivate func lost() {
        channel = nil
        if !isReported {
            isReported = true
            observer.record(.controlLost)
        }
        let abandoned = waiting.values
        waiting = [:]
        for waiter in abandoned { waiter.resume(returning: Self.unavailable("control went away")) }
        timers.after(Self.retryDelay) { [weak self] in self?.start() }
    }

    fileprivate func receive(_ bytes: ByteBuffer) {
        received.writeImmutableBuffer(bytes)
        do {
            while let message = try ControlLink.decodeFromControl(&received) { take(message) }
        } catch {
            channel?.close(promise: nil)
        }
        received.discardReadBytes()
    }

    private func take(_ message: ControlLink.FromControl) {
        switch message {
        case .snapshot(let bytes): adopt(bytes)
        case .provisioned(let request, let problem):
            waiting.removeValue(forKey: request)?.resume(returning: problem.map { Self.unavailable($0) })
        case .store(let store, let isAvailable, let since): storeChanged(store, isAvailable, since)
        }
    }

    private func send(_ message: ControlLink.FromWorker) {
        channel?.writeAndFlush(ControlLink.encode(message), promise: nil)
    }

    func provisionDefaultGateway(of account: AccountID) async throws(GatewayError) {
        guard channel != nil else { throw Self.unavailable("control is not connected") }
        let request = nextRequest
        nextRequest += 1
        let problem: GatewayError? = await withCheckedContinuation { waiter in
            waiting[request] = waiter
            timers.after(Self.answerDeadline) { [weak self] in
                self?.waiting.removeValue(forKey: request)?.resume(returning: Self.unavailable("control is too slow"))
            }
            send(.provisionDefaultGateway(request: request, account: account))
        }
        if let problem { throw problem }
    }

    private static func unavailable(_ reason: String) -> GatewayError {
        GatewayError(.notReady, origin: .store, detail: "the default gateway cannot be created: \(reason)")
    }
}

/// Turns the channel's callbacks into calls of `ControlConnection`.
private final class ControlHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let connection: ControlConnection

    init(_ connection: ControlConnection) { self.connection = connection }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        WorkerLoop.onLoop { [connection] in connection.connected(channel) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        WorkerLoop.onLoop { [connection] in connection.receive(bytes) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        WorkerLoop.onLoop { [connection] in connection.lost() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
