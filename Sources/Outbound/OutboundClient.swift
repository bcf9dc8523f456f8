package import GatewayCore
import Glibc
package import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Sends documents to addresses that operators and tenants give, each on a connection of its own.
///
/// A name is resolved once, what it stands for is judged by the egress rule, and the connection goes to an address that
/// was judged. Redirects are answers like any other: they are not followed.
/// - Limits: 64 KiB of an answer are read, one time limit for everything.
package struct OutboundClient: Sendable {
    package struct Answer: Sendable, Equatable {
        package var status: Int
        /// The beginning of the body, for reports.
        package var text: String
    }

    /// Why there is no answer; holds nothing of what was sent.
    package struct Failure: Error, Sendable, Equatable {
        package var reason: String
    }

    /// What keeps a client from being made.
    package struct SetupFailure: Error, Sendable {
        package var reason: String
    }

    static let maximumAnswer = 65_536
    /// A connection that takes longer keeps a stopping process waiting.
    private static let connectLimit = TimeAmount.seconds(5)
    /// Where names are resolved, which blocks a thread for as long as a name server likes.
    ///
    /// Apart from the process's other threads, so that slow name servers hold up nothing but this.
    private static let resolvers: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 16)
        pool.start()
        return pool
    }()

    private let context: NIOSSLContext
    private let egress: EgressRule
    private let timeout: Duration
    private let resolver: Resolver

    /// Finds the addresses of a host; blocks its thread.
    typealias Resolver = @Sendable (_ host: String, _ port: Int) throws -> [SocketAddress]

    /// - Parameters:
    ///   - rootsFile: PEM file with roots that are trusted beside the system's.
    ///   - timeout: of everything, from the name to the end of the answer.
    package init(
        egress: EgressRule, rootsFile: String? = nil, timeout: Duration = .seconds(15)
    ) throws(SetupFailure) {
        try self.init(egress: egress, rootsFile: rootsFile, timeout: timeout) { try Self.addresses(of: $0, port: $1) }
    }

    init(
        egress: EgressRule, rootsFile: String? = nil, timeout: Duration, resolver: @escaping Resolver
    ) throws(SetupFailure) {
        self.egress = egress
        self.timeout = timeout
        self.resolver = resolver
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let rootsFile { configuration.additionalTrustRoots = [.file(rootsFile)] }
        do { context = try NIOSSLContext(configuration: configuration) } catch {
            throw SetupFailure(reason: "egress.ca_file cannot be used: \(error)")
        }
    }

    /// Sends `body` and gives the answer, whatever its status.
    ///
    /// - Parameter headers: beside `Host`, `Content-Length` and `Connection`.
    package func send(
        _ method: String, to url: OutboundURL, headers: [(name: String, value: String)], body: ByteBuffer
    ) async throws(Failure) -> Answer {
        var head = HTTPRequestHead(version: .http1_1, method: HTTPMethod(rawValue: method), uri: url.target)
        head.headers = HTTPHeaders(
            [("Host", url.authority), ("Content-Length", "\(body.readableBytes)"), ("Connection", "close")])
        for header in headers { head.headers.add(name: header.name, value: header.value) }
        let deadline = NIODeadline.now() + .nanoseconds(Int64(timeout / .nanoseconds(1)))
        let addresses = try await resolve(url, until: deadline)
        var failure = Failure(reason: "\(url.authority) cannot be reached in time")
        for address in addresses where !Task.isCancelled && NIODeadline.now() < deadline {
            do {
                return try await exchange(head, body, with: address, url, until: deadline)
            } catch let error as Failure {
                throw error
            } catch {
                // Nothing was sent: the next address may be reached.
                failure = Failure(reason: "\(url.authority) cannot be reached: \(error)")
            }
        }
        throw failure
    }

    /// What the host stands for and may be connected to.
    private func resolve(_ url: OutboundURL, until deadline: NIODeadline) async throws(Failure) -> [SocketAddress] {
        let found: [SocketAddress]
        do {
            found = try await lookUp(url, until: deadline)
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(reason: "\(url.host) cannot be resolved: \(error)")
        }
        guard egress == .publicAddressesOnly else { return found }
        var refused: InternetAddress.Refusal?
        let allowed = found.filter { address in
            let refusal =
                address.ipAddress.flatMap { InternetAddress(host: $0) }.map(\.refusal) ?? .notAnInternetAddress
            if let refusal { refused = refusal }
            return refusal == nil
        }
        if allowed.isEmpty {
            throw Failure(reason: "\(url.host) has a \(refused?.rawValue ?? "private") address, which is not allowed")
        }
        return allowed
    }

    /// Asks the resolver, and goes on without it when it takes too long: a thread that resolves cannot be stopped.
    private func lookUp(_ url: OutboundURL, until deadline: NIODeadline) async throws -> [SocketAddress] {
        if let address = try? SocketAddress(ipAddress: url.host, port: url.port) { return [address] }
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let answer = loop.makePromise(of: [SocketAddress].self)
        let timer = loop.scheduleTask(deadline: deadline) {
            answer.fail(Failure(reason: "\(url.host) is not resolved in time"))
        }
        Self.resolvers.runIfActive(eventLoop: loop) { [resolver] in try resolver(url.host, url.port) }
            .cascade(to: answer)
        defer { timer.cancel() }
        return try await withTaskCancellationHandler {
            try await answer.futureResult.get()
        } onCancel: {
            answer.fail(CancellationError())
        }
    }

    private static func addresses(of host: String, port: Int) throws -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0, let list else {
            throw Failure(reason: "\(host) cannot be resolved: \(String(cString: gai_strerror(code)))")
        }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var next: UnsafeMutablePointer<addrinfo>? = list
        while let entry = next {
            next = entry.pointee.ai_next
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            guard let raw = entry.pointee.ai_addr,
                getnameinfo(
                    raw, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0
            else { continue }
            let name = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if let address = try? SocketAddress(ipAddress: name, port: port), !found.contains(address) {
                found.append(address)
            }
        }
        return found
    }

    private func exchange(
        _ head: HTTPRequestHead, _ body: ByteBuffer, with address: SocketAddress, _ url: OutboundURL,
        until deadline: NIODeadline
    ) async throws -> Answer {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let answer = loop.makePromise(of: Answer.self)
        let context = url.scheme == .https ? context : nil
        let serverName = InternetAddress(host: url.host) == nil ? url.host : nil
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: loop)
                .connectTimeout(max(.milliseconds(100), min(Self.connectLimit, deadline - .now())))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        if let context {
                            try channel.pipeline.syncOperations.addHandler(
                                NIOSSLClientHandler(context: context, serverHostname: serverName))
                        }
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        try channel.pipeline.syncOperations.addHandler(
                            OutboundAnswerHandler(head, body, deadline, answer))
                    }
                }
                .connect(to: address).get()
        } catch {
            answer.fail(error)
            _ = try? await answer.futureResult.get()
            throw error
        }
        defer { channel.close(promise: nil) }
        return try await withTaskCancellationHandler {
            try await answer.futureResult.get()
        } onCancel: {
            channel.close(promise: nil)
        }
    }
}

/// Sends one request when the connection is there and gathers the beginning of the answer.
private final class OutboundAnswerHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let head: HTTPRequestHead
    private let body: ByteBuffer
    private let limit: NIODeadline
    private let answer: EventLoopPromise<OutboundClient.Answer>
    private var status = 0
    private var text: [UInt8] = []
    private var timer: Scheduled<Void>?

    init(
        _ head: HTTPRequestHead, _ body: ByteBuffer, _ limit: NIODeadline,
        _ answer: EventLoopPromise<OutboundClient.Answer>
    ) {
        self.head = head
        self.body = body
        self.limit = limit
        self.answer = answer
    }

    func channelActive(context: ChannelHandlerContext) {
        let answer = answer
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(deadline: limit) {
            answer.fail(OutboundClient.Failure(reason: "the receiver does not answer in time"))
            channel.close(promise: nil)
        }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): status = Int(head.status.code)
        case .body(let part):
            let room = OutboundClient.maximumAnswer - text.count
            text.append(contentsOf: part.readableBytesView.prefix(room))
            // Enough is known; a body without an end must not hold us.
            if part.readableBytes >= room { finish() }
        case .end: finish()
        }
    }

    func channelInactive(context: ChannelHandlerContext) { fail("the receiver closed the connection", context) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { fail("\(error)", context) }

    /// A promise takes only the first result.
    private func finish() {
        timer?.cancel()
        answer.succeed(OutboundClient.Answer(status: status, text: String(decoding: text, as: UTF8.self)))
    }

    private func fail(_ reason: String, _ context: ChannelHandlerContext) {
        timer?.cancel()
        answer.fail(OutboundClient.Failure(reason: reason))
        context.close(promise: nil)
    }
}
