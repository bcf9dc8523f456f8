import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// An HTTP server that gives every request the same answer, or none.
final class FakeVault: Sendable {
    private struct State {
        var requests: [HTTPRequestHead] = []
        var status = 200
        var body = ""
        var isSilent = false
    }

    private let state = Mutex(State())
    private let channel = Mutex<(any Channel)?>(nil)

    static func start() async throws -> FakeVault {
        let server = FakeVault()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(server))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        server.channel.withLock { $0 = channel }
        return server
    }

    var port: Int { channel.withLock { $0?.localAddress?.port } ?? 0 }
    var requests: [HTTPRequestHead] { state.withLock { $0.requests } }

    func answer(_ body: String, status: Int = 200) {
        state.withLock { state in
            state.body = body
            state.status = status
        }
    }

    /// Accepts requests and says nothing any more.
    func fallSilent() { state.withLock { $0.isSilent = true } }

    func stop() { channel.withLock { $0?.close(promise: nil) } }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let server: FakeVault

        init(_ server: FakeVault) { self.server = server }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard case .head(let head) = unwrapInboundIn(data) else { return }
            let answer = server.state.withLock { state -> (status: Int, body: String)? in
                state.requests.append(head)
                return state.isSilent ? nil : (state.status, state.body)
            }
            guard let answer else { return }
            let headers = HTTPHeaders([("content-length", "\(answer.body.utf8.count)")])
            context.write(
                wrapOutboundOut(
                    .head(
                        HTTPResponseHead(
                            version: .http1_1, status: HTTPResponseStatus(statusCode: answer.status), headers: headers
                        )
                    )
                ), promise: nil
            )
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: answer.body)))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}
