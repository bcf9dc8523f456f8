package import GatewayCore
import Glibc
package import NIOCore
import NIOPosix
package import NIOSSL

/// Makes a client connection out of a descriptor that the front handed over.
@WorkerLoop
package final class ClientAdoption {
    private let loop: any EventLoop
    private let registry: ConnectionRegistry
    private let tls: NIOSSLContext?

    /// - Parameter tls: the data port's certificate; nil for plain HTTP.
    package init(loop: any EventLoop, registry: ConnectionRegistry, tls: NIOSSLContext?) {
        self.loop = loop
        self.registry = registry
        self.tls = tls
    }

    /// Takes ownership of `descriptor`.
    package func adopt(_ descriptor: Int32) {
        var on: Int32 = 1
        // Fails on Unix-domain sockets, which do not delay anything in the first place.
        _ = setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        let registry = registry
        let tls = tls
        ClientBootstrap(group: loop)
            .channelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 2048, maximum: 65536)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
                    try WorkerLoop.onLoop {
                        let connection = ClientConnection(
                            registry: registry, descriptor: tls == nil ? descriptor : nil
                        )
                        try channel.pipeline.syncOperations.addHandler(ClientHandler(connection))
                    }
                }
            }
            .withConnectedSocket(descriptor)
            .whenFailure { _ in _ = close(descriptor) }
    }
}
