package import GatewayCore
import NIOCore
import NIOPosix

/// Asks a Redis server once whether it answers, outside of a worker: for `check` and for control's `/readyz`.
package enum RedisProbe {
    /// Connects, authenticates, sends `PING` and closes.
    ///
    /// - Throws: the reason, when the server cannot be reached or refuses us.
    package static func ping(
        _ endpoint: RedisEndpoint, caFile: String? = nil, within deadline: Duration = .seconds(2)
    ) async throws(RedisStoreError) {
        let dialer = try RedisDialer(endpoint, caFile: caFile)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let time = TimeAmount.nanoseconds(Int64(deadline / .nanoseconds(1)))
        var request = ByteBuffer()
        let handshake = dialer.handshake
        for step in handshake where !step.command.write(into: &request) { throw RedisStoreError("no memory") }
        let answered = loop.makePromise(of: Void.self)
        let timeout = loop.scheduleTask(in: time) {
            answered.fail(RedisStoreError("no answer within \(deadline)"))
        }
        let names = handshake.map(\.name)
        let greeting = request
        let connected = dialer.connect(on: loop, within: time) { channel in
            try channel.pipeline.syncOperations.addHandler(ProbeInbound(names, answered))
        }
        connected.whenComplete { result in
            switch result {
            case .success(let channel):
                channel.writeAndFlush(greeting, promise: nil)
                answered.futureResult.whenComplete { _ in channel.close(promise: nil) }
            case .failure(let error): answered.fail(RedisStoreError("cannot connect: \(error)"))
            }
        }
        defer { timeout.cancel() }
        do {
            try await answered.futureResult.get()
        } catch {
            throw error as? RedisStoreError ?? RedisStoreError("\(error)")
        }
    }
}

/// Counts the answers to the handshake.
private final class ProbeInbound: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private var expected: ArraySlice<String>
    private let answered: EventLoopPromise<Void>
    private let reader: ReplyReader?

    init(_ names: [String], _ answered: EventLoopPromise<Void>) {
        expected = names[...]
        self.answered = answered
        reader = ReplyReader()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        do {
            guard let reader else { throw RedisStoreError("no memory") }
            try reader.feed(unwrapInboundIn(data))
            while let reply = try reader.next(), let name = expected.popFirst() {
                if case .error(let message) = reply { throw RedisStoreError("\(name) was refused: \(message)") }
                if expected.isEmpty { answered.succeed() }
            }
        } catch {
            answered.fail(error)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        answered.fail(RedisStoreError("the connection was closed"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        answered.fail(RedisStoreError("\(error)"))
        context.close(promise: nil)
    }
}
