package import GatewayCore
import HTTPTypes
import Hummingbird
import HummingbirdCore
package import Logging
package import NIOCore
import NIOPosix
import NIOSSL
import TransportSecurity

/// Serves the control surface on listening sockets that were bound before this process began.
///
/// Hummingbird's HTTP/1.1 channel does the protocol; only the binding is ours, because the sockets belong to the
/// supervisor and survive a restart of this process.
///
/// - Limits: heads of 80 KiB, bodies of `AdminResponder.maximumBody`, 60 s without a byte, 30 s for one answer.
package struct ControlListener: Sendable {
    private static let idleTimeout = TimeAmount.seconds(60)
    private static let answerTimeout: Duration = .seconds(30)

    private let surface: ControlSurface
    private let tls: TLSIdentity?
    private let group: any EventLoopGroup
    private let logger: Logger

    /// - Parameter tls: nil for plain HTTP.
    package init(surface: ControlSurface, tls: TLSIdentity?, group: any EventLoopGroup, logger: Logger) {
        self.surface = surface
        self.tls = tls
        self.group = group
        self.logger = logger
    }

    /// Accepts connections until the task is cancelled; takes the sockets over and closes them.
    ///
    /// The listeners close first then, and every connection that was accepted before is taken over all the same and
    /// ended: one that is let go unfinished ends the process.
    ///
    /// - Parameter listeners: descriptors of sockets that already listen.
    package func run(_ listeners: [Int32]) async throws {
        let logger = logger
        let tls = try tls?.serverContext()
        let surface = surface
        let http = HTTP1Channel(
            responder: { request, writer, _ in
                let answer = await Self.answer(request, surface)
                try await writer.write(response: answer.head, body: answer.body)
            },
            configuration: .init(idleTimeout: Self.idleTimeout)
        )
        let (connections, arrivals) = AsyncStream.makeStream(of: HTTP1Channel.Value.self)
        let bootstrap = ServerBootstrap(group: group)
            .childChannelOption(ChannelOptions.allowRemoteHalfClosure, value: true)
            .childChannelOption(ChannelOptions.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                if let tls {
                    do {
                        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls))
                    } catch {
                        return channel.eventLoop.makeFailedFuture(error)
                    }
                }
                return http.setup(channel: channel, logger: logger).flatMapThrowing { connection in
                    let arrival = Arrival {
                        guard case .terminated = arrivals.yield(connection) else { return }
                        Task { await http.handle(value: connection, logger: logger) }.cancel()
                    }
                    try channel.pipeline.syncOperations.addHandler(arrival, position: .first)
                }
            }
        var servers: [any Channel] = []
        do {
            for listener in listeners { servers.append(try await bootstrap.withBoundSocket(listener).get()) }
        } catch {
            for server in servers { server.close(promise: nil) }
            arrivals.finish()
            throw error
        }
        let listening = servers
        // Not cancelled with the caller: what has arrived is taken over before it ends.
        let serving = Task {
            await withDiscardingTaskGroup { handlers in
                for await connection in connections {
                    handlers.addTask { await http.handle(value: connection, logger: logger) }
                }
                handlers.cancelAll()
            }
        }
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { open in
                for server in listening {
                    open.addTask {
                        try? await server.closeFuture.get()
                        if !Task.isCancelled { logger.error("control port stopped accepting") }
                    }
                }
            }
            arrivals.finish()
            await serving.value
        } onCancel: {
            for server in listening { server.close(promise: nil) }
        }
    }

    private static func answer(_ request: Request, _ surface: ControlSurface) async -> Response {
        let body: ByteBuffer
        do {
            body = try await request.body.collect(upTo: AdminResponder.maximumBody)
        } catch is NIOTooManyBytesError {
            return response(Envelope.failure(.bodyTooLarge))
        } catch {
            return response(Envelope.failure(.invalid(["body"], "The body could not be read")))
        }
        let target = (request.head.path ?? "/").split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let call = AdminRequest(
            method: request.method.rawValue, path: target.first.map(String.init) ?? "/",
            query: target.count > 1 ? String(target[1]) : "",
            headers: request.headers.map { ($0.name.canonicalName, $0.value) }, body: Array(body.readableBytesView)
        )
        return response(await answer(call, surface))
    }

    /// The surface's answer, or 503 when it takes too long.
    private static func answer(_ call: AdminRequest, _ surface: ControlSurface) async -> AdminAnswer {
        await withTaskGroup { tasks in
            tasks.addTask { await surface.respond(to: call) }
            tasks.addTask {
                try? await Task.sleep(for: answerTimeout)
                return Envelope.failure(.storeUnavailable)
            }
            defer { tasks.cancelAll() }
            return await tasks.next() ?? Envelope.failure(.internalFailure)
        }
    }

    private static func response(_ answer: AdminAnswer) -> Response {
        var headers = HTTPFields()
        for (name, value) in answer.headers {
            if let name = HTTPField.Name(name) { headers.append(HTTPField(name: name, value: value)) }
        }
        return Response(
            status: HTTPResponse.Status(code: answer.status), headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body))
        )
    }
}

/// Hands a connection over once it is open, because it cannot be ended before, or when it never will be.
private final class Arrival: ChannelInboundHandler {
    typealias InboundIn = Never

    private var handOver: (() -> Void)?

    init(_ handOver: @escaping () -> Void) { self.handOver = handOver }

    func channelActive(context: ChannelHandlerContext) {
        arrive()
        context.fireChannelActive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { arrive() }

    private func arrive() {
        handOver?()
        handOver = nil
    }
}
