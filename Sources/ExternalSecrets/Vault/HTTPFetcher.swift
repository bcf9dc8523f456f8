import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Gets one small document over HTTP/1.1, on a connection of its own.
///
/// - Limits: 256 KiB of answer, one time limit for everything.
struct HTTPFetcher: Sendable {
    struct Answer: Sendable, Equatable {
        var status: Int
        var body: [UInt8]
    }

    /// Why there is no answer.
    struct Failure: Error, Sendable, Equatable { var reason: String }

    enum TLS: Sendable {
        case none
        /// The certificate is verified against the system's roots and those of a PEM file.
        case verified(additionalRoots: String?)
    }

    static let maximumBody = 262_144

    private let context: NIOSSLContext?
    private let timeout: Duration

    init(tls: TLS, timeout: Duration) throws {
        self.timeout = timeout
        switch tls {
        case .none: context = nil
        case .verified(let roots):
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.minimumTLSVersion = .tlsv12
            if let roots { configuration.additionalTrustRoots = [.file(roots)] }
            context = try NIOSSLContext(configuration: configuration)
        }
    }

    /// Asks for `target`, a path with optional query in its encoded form.
    func get(
        _ target: String, from address: HTTPAddress, headers: [(String, String)]
    ) async throws(Failure) -> Answer {
        let context = context
        let limit = TimeAmount.nanoseconds(Int64(timeout / .nanoseconds(1)))
        let isAddress = (try? SocketAddress(ipAddress: address.host, port: address.port)) != nil
        var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: target)
        head.headers = HTTPHeaders(
            [("Host", address.authority), ("Connection", "close"), ("Accept", "application/json")] + headers
        )
        let request = head
        do {
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            let answer = loop.makePromise(of: Answer.self)
            let channel: any Channel
            do {
                channel = try await ClientBootstrap(group: loop)
                    .connectTimeout(limit)
                    .channelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            if let context {
                                try channel.pipeline.syncOperations.addHandler(
                                    NIOSSLClientHandler(
                                        context: context, serverHostname: isAddress ? nil : address.host
                                    )
                                )
                            }
                            try channel.pipeline.syncOperations.addHTTPClientHandlers()
                            try channel.pipeline.syncOperations.addHandler(AnswerHandler(request, limit, answer))
                        }
                    }
                    .connect(host: address.host, port: address.port).get()
            } catch {
                answer.fail(error)
                _ = try? await answer.futureResult.get()
                throw error
            }
            defer { channel.close(promise: nil) }
            return try await answer.futureResult.get()
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(reason: "\(address.authority) cannot be reached: \(error)")
        }
    }
}

/// Sends one request when the connection is there and gathers the answer.
private final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let request: HTTPRequestHead
    private let limit: TimeAmount
    private let answer: EventLoopPromise<HTTPFetcher.Answer>
    private var status = 0
    private var body: [UInt8] = []
    private var deadline: Scheduled<Void>?

    init(_ request: HTTPRequestHead, _ limit: TimeAmount, _ answer: EventLoopPromise<HTTPFetcher.Answer>) {
        self.request = request
        self.limit = limit
        self.answer = answer
    }

    func channelActive(context: ChannelHandlerContext) {
        let answer = answer
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: limit) {
            answer.fail(HTTPFetcher.Failure(reason: "the server does not answer in time"))
            channel.close(promise: nil)
        }
        context.write(wrapOutboundOut(.head(request)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): status = Int(head.status.code)
        case .body(let part):
            guard body.count + part.readableBytes <= HTTPFetcher.maximumBody else {
                return fail("the server's answer is larger than 256 KiB", context)
            }
            body.append(contentsOf: part.readableBytesView)
        case .end:
            deadline?.cancel()
            answer.succeed(HTTPFetcher.Answer(status: status, body: body))
        }
    }

    func channelInactive(context: ChannelHandlerContext) { fail("the server closed the connection", context) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { fail("\(error)", context) }

    /// Does nothing once there is an answer: a promise takes only the first.
    private func fail(_ reason: String, _ context: ChannelHandlerContext) {
        deadline?.cancel()
        answer.fail(HTTPFetcher.Failure(reason: reason))
        context.close(promise: nil)
    }
}
