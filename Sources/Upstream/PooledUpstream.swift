package import GatewayCore
package import NIOCore

/// Calls providers over HTTP/1.1 connections that are pooled per origin; confined to the worker's loop, without locks.
///
/// - Limits: those of `UpstreamSettings`. One request at a time per connection; nothing waits in a queue.
@WorkerLoop
package final class PooledUpstream: UpstreamClient {
    /// How many connections there are.
    package struct ConnectionCounts: Equatable, Sendable {
        /// Established ones, idle ones included.
        package var open: Int
        package var idle: Int
        package init(open: Int, idle: Int) {
            self.open = open
            self.idle = idle
        }
    }

    /// The client cannot be built with its settings.
    package struct SetupFailure: Error, Sendable {
        /// One sentence for the operator.
        package var reason: String
    }

    let loop: any EventLoop
    let observer: any Observer
    let resolver: HostResolver
    /// Seconds since the first connection, for what need not be exact.
    private(set) var tick: UInt32 = 0
    private let settings: UpstreamSettings
    private var tls: ClientTLS?
    private var pools: [PoolKey: OriginPool] = [:]
    private var connections: [ObjectIdentifier: ProviderConnection] = [:]
    private var idleCount = 0
    private var ticker: RepeatedTask?
    private var isShutDown = false
    /// The pools that requests went to last.
    private var recent: [OriginPool] = []
    private static let recentLimit = 8
    private var dirty: [ProviderConnection] = []
    private let scheduleTurn: (@WorkerLoop () -> Void)?

    /// - Parameters:
    ///   - resolver: nil makes one that asks the system.
    ///   - scheduleTurn: makes sure that `endTurn` runs after the socket events now being handled; nil: what is written
    ///     leaves at once.
    /// - Throws: when a file with roots cannot be used.
    package init(
        loop: any EventLoop, settings: UpstreamSettings, observer: any Observer, resolver: HostResolver? = nil,
        scheduleTurn: (@WorkerLoop () -> Void)? = nil
    ) throws(SetupFailure) {
        self.loop = loop
        self.settings = settings
        self.observer = observer
        self.scheduleTurn = scheduleTurn
        self.resolver = resolver ?? HostResolver(loop: loop, lifetime: settings.nameLifetime)
        if settings.additionalRootsFile != nil || settings.systemRootsFile != nil {
            do {
                tls = try ClientTLS(settings)
            } catch {
                throw SetupFailure(reason: "the roots for upstream TLS cannot be used: \(error)")
            }
        }
    }

    package func send(
        _ request: UpstreamRequest, cancel: CancelHook
    ) async throws(GatewayError) -> any UpstreamReply {
        let result = await withUnsafeContinuation { continuation in
            send(request, cancel: cancel) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    package func send(
        _ request: UpstreamRequest, cancel: CancelHook,
        _ then: @escaping @WorkerLoop (Result<any UpstreamReply, GatewayError>) -> Void
    ) {
        if cancel.isCancelled { return then(.failure(GatewayError(ConnectFailure(.cancelled, "cancelled")))) }
        let exchange = ProviderExchange(request, client: self, then)
        cancel.onCancel { exchange.cancel() }
        exchange.start()
    }

    /// Connections for metrics.
    package var counts: ConnectionCounts { ConnectionCounts(open: connections.count, idle: idleCount) }

    /// Closes idle connections now and others as soon as their answer is complete.
    ///
    /// Requests are still served.
    package func shutDown() {
        isShutDown = true
        for pool in Array(pools.values) { closeIdle(pool, olderThan: 0) }
        resolver.shutDown()
    }

    // MARK: For exchanges

    private func egress(of request: UpstreamRequest) -> EgressRule {
        settings.allowsPrivateAddresses ? .anyAddress : request.egress
    }

    /// The pool of the request's origin, if there is one; a few comparisons where a look-up would hash the host.
    private func pool(for request: UpstreamRequest) -> OriginPool? {
        let egress = egress(of: request)
        for pool in recent where pool.key.isKey(of: request.origin, egress) { return pool }
        guard let pool = pools[PoolKey(origin: request.origin, egress: egress)] else { return nil }
        if recent.count == Self.recentLimit { recent.removeFirst() }
        recent.append(pool)
        return pool
    }

    /// An idle connection to the request's origin.
    func takeIdle(for request: UpstreamRequest) -> ProviderConnection? {
        guard let connection = pool(for: request)?.connections.take() else { return nil }
        idleCount -= 1
        return connection
    }

    /// A connection attempt that has not begun; nil when the origin has as many connections as it may.
    func connect(for request: UpstreamRequest, completion: @escaping ConnectAttempt.Completion) -> ConnectAttempt? {
        let known = pool(for: request)
        let pool =
            known
            ?? OriginPool(key: PoolKey(origin: request.origin, egress: egress(of: request)), settings: settings)
        guard pool.connections.reserve() else { return nil }
        if known == nil { pools[pool.key] = pool }
        return ConnectAttempt(client: self, pool: pool, timeout: request.connectTimeout, completion: completion)
    }

    /// Takes a connection back whose answer is complete.
    func giveBack(_ connection: ProviderConnection) {
        guard connection.isOpen else { return }
        guard !isShutDown, idleCount < settings.idleConnections,
            connection.pool.connections.put(connection, at: tick) == .kept
        else { return connection.close() }
        idleCount += 1
        // Keeps an eye on the peer, which may close at any time.
        connection.read()
    }

    /// Closes a connection that cannot serve another request.
    func discard(_ connection: ProviderConnection) { connection.closeNow() }

    // MARK: For connections

    func clientTLS() throws -> ClientTLS {
        if let tls { return tls }
        let tls = try ClientTLS(settings)
        self.tls = tls
        return tls
    }

    func opened(_ connection: ProviderConnection) {
        connections[ObjectIdentifier(connection)] = connection
        guard ticker == nil else { return }
        ticker = loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
            WorkerLoop.onLoop { self.secondPassed() }
        }
    }

    func notOpened(_ pool: OriginPool) { forget(nil, in: pool) }

    func closed(_ connection: ProviderConnection) {
        guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        forget(connection, in: connection.pool)
        if connections.isEmpty {
            ticker?.cancel()
            ticker = nil
        }
    }

    private func forget(_ connection: ProviderConnection?, in pool: OriginPool) {
        if pool.connections.remove(connection) { idleCount -= 1 }
        guard pool.connections.isUnused else { return }
        pools[pool.key] = nil
        recent.removeAll { $0 === pool }
    }

    // MARK: The turn

    /// Notes that a connection has bytes that leave at the end of the turn.
    func flushAtTurnEnd(_ connection: ProviderConnection) {
        guard let scheduleTurn else { return connection.flushNow() }
        dirty.append(connection)
        scheduleTurn()
    }

    /// Sends what the turn wrote to providers.
    package func endTurn() {
        while !dirty.isEmpty {
            let now = dirty
            dirty.removeAll(keepingCapacity: true)
            for connection in now { connection.flushNow() }
        }
    }

    // MARK: Time

    /// Once a second while there are connections: one timer for all that need not be exact.
    func secondPassed() {
        tick &+= 1
        for connection in Array(connections.values) { connection.checkIdleTime(at: tick) }
        let age = UInt32(clamping: settings.idleKeepAlive.components.seconds)
        for pool in Array(pools.values) where pool.connections.idleCount > 0 { closeIdle(pool, olderThan: age) }
    }

    private func closeIdle(_ pool: OriginPool, olderThan age: UInt32) {
        let old = pool.connections.expire(at: tick, age: age)
        idleCount -= old.count
        for connection in old { connection.close() }
    }
}
