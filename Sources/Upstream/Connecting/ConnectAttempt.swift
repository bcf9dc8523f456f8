import GatewayCore
import NIOCore
import NIOPosix
import NIOSSL

/// Opens one connection: resolves the name, checks the addresses, tries them in turn, shakes hands.
///
/// The deadline covers all of it. Each address gets its share of the time that is left, so that one which swallows
/// packets does not use up the others' chance.
@WorkerLoop
final class ConnectAttempt {
    typealias Completion = @WorkerLoop (Result<ProviderConnection, ConnectFailure>) -> Void

    private let client: PooledUpstream
    private let pool: OriginPool
    private let timeout: Duration
    private var deadline = NIODeadline.distantFuture
    private var addresses: ArraySlice<SocketAddress> = []
    private var completion: Completion?
    private var timer: Scheduled<Void>?
    private var channel: (any Channel)?
    private var lastFailure = ConnectFailure(.network, "no address could be tried")

    /// - Parameter completion: called once after `begin`, possibly within it, unless `cancel` comes first.
    init(client: PooledUpstream, pool: OriginPool, timeout: Duration, completion: @escaping Completion) {
        self.client = client
        self.pool = pool
        self.timeout = timeout
        self.completion = completion
    }

    func begin() {
        deadline = .now() + TimeAmount(timeout)
        timer = client.loop.scheduleTask(deadline: deadline) {
            WorkerLoop.onLoop { self.finish(.failure(ConnectFailure(.timeout, "connect timeout"))) }
        }
        client.resolver.resolve(pool.key.origin.host) { self.resolved($0) }
    }

    /// Gives up; nothing is reported.
    func cancel() {
        guard completion != nil else { return }
        completion = nil
        end()
        client.notOpened(pool)
    }

    private func resolved(_ resolution: Resolution) {
        guard completion != nil else { return }
        switch resolution {
        case .failure(let failure):
            finish(.failure(ConnectFailure(.resolve, "cannot resolve the host: \(failure.reason)")))
        case .success(let found):
            var allowed = found
            if pool.key.egress == .publicAddressesOnly {
                var refused: AddressPolicy.Refusal?
                allowed = found.filter { address in
                    guard let refusal = AddressPolicy.refusal(of: address) else { return true }
                    refused = refusal
                    return false
                }
                if allowed.isEmpty, let refused {
                    let reason = "egress rule publicAddressesOnly: the host has a \(refused.rawValue) address"
                    return finish(.failure(ConnectFailure(.egress, reason)))
                }
            }
            addresses = allowed[...]
            tryNext()
        }
    }

    private func tryNext() {
        guard completion != nil else { return }
        guard var address = addresses.popFirst() else { return finish(.failure(lastFailure)) }
        address.port = pool.key.origin.port
        let left = deadline - .now()
        guard left > .zero else { return finish(.failure(ConnectFailure(.timeout, "connect timeout"))) }
        let origin = pool.key.origin
        var security: ClientTLS?
        if origin.scheme == .https {
            do {
                security = try client.clientTLS()
            } catch {
                return finish(.failure(ConnectFailure(.tls, "TLS is not usable: \(error)")))
            }
        }
        let connecting = ClientBootstrap(group: client.loop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.autoRead, value: false)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 2048, maximum: 32768)
            )
            .connectTimeout(.nanoseconds(left.nanoseconds / Int64(addresses.count + 1)))
            .channelInitializer { [security] channel in
                channel.eventLoop.makeCompletedFuture {
                    try WorkerLoop.onLoop { try self.install(on: channel, security: security, host: origin.host) }
                }
            }
            .connect(to: address)
        connecting.whenFailure { error in
            WorkerLoop.onLoop {
                self.lastFailure = ConnectFailure(.network, String(describing: error))
                self.tryNext()
            }
        }
    }

    private func install(on channel: any Channel, security: ClientTLS?, host: String) throws {
        guard completion != nil else { throw ConnectFailure(.cancelled, "given up") }
        self.channel = channel
        if let security { try channel.pipeline.syncOperations.addHandler(security.handler(for: host)) }
        let connection = ProviderConnection(pool: pool, client: client, usesTLS: security != nil) {
            connection, result in
            switch result {
            case .success(.http1): self.finish(.success(connection))
            case .failure(let failure): self.finish(.failure(failure))
            }
        }
        try channel.pipeline.syncOperations.addHandler(connection)
    }

    private func finish(_ result: Result<ProviderConnection, ConnectFailure>) {
        guard let completion else { return }
        self.completion = nil
        switch result {
        case .success(let connection):
            channel = nil
            client.opened(connection)
        case .failure:
            client.notOpened(pool)
        }
        end()
        completion(result)
    }

    /// Lets go of the timer, and of a channel that is not to be used.
    private func end() {
        timer?.cancel()
        timer = nil
        addresses = []
        let channel = channel
        self.channel = nil
        guard let channel else { return }
        if let tls = try? channel.pipeline.syncOperations.context(handlerType: NIOSSLClientHandler.self) {
            tls.close(promise: nil)
        } else {
            channel.close(promise: nil)
        }
    }
}
