import GatewayCore

/// The pool of one key, shared by its connections so that giving one back needs no look-up.
@WorkerLoop
final class OriginPool {
    let key: PoolKey
    var connections: IdlePool<ProviderConnection>

    init(key: PoolKey, settings: UpstreamSettings) {
        self.key = key
        connections = IdlePool(idleLimit: settings.idleConnectionsPerOrigin, openLimit: settings.connectionsPerOrigin)
    }
}
