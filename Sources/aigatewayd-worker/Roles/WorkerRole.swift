import CloudflareWire
import GatewayCore
import Glibc
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Pipeline
import ProcessRuntime
import Providers
import ProxyServer
import RecordSpool
import RedisStore
import SecretVault
import Telemetry
import TransportSecurity
import Upstream
import WorkerRuntime

/// The composition root of a worker: the only place that knows every adapter of the data plane.
@WorkerLoop
final class WorkerRole {
    /// The process's one role, which lives as long as the process.
    private static var running: WorkerRole?

    private let identity: WorkerIdentity
    private let settings: WorkerSettings
    private let scoreboard: Scoreboard
    private let slot: Slot
    private let loop: any EventLoop
    private let executor: LoopExecutor
    private let telemetry: WorkerTelemetry
    private let spool: SpoolWriter
    private let redis: RedisConnection?
    private let counter: RedisRequestCounter?
    private let control: ControlConnection
    private let upstream: PooledUpstream
    private let registry: ConnectionRegistry
    private let adoption: ClientAdoption
    private let clock = SystemClock()
    private var isLeaving = false

    /// How long connections that the front sent last may be on their way to a worker that has nothing else to do.
    private static let lastHandover = TimeAmount.milliseconds(50)

    init(
        identity: WorkerIdentity, settings: WorkerSettings, scoreboard: Scoreboard, masterKey: MasterKey,
        executor: LoopExecutor
    ) throws {
        self.identity = identity
        self.settings = settings
        self.scoreboard = scoreboard
        self.executor = executor
        loop = executor.loop
        let slot = scoreboard.slot(identity.slot)
        self.slot = slot
        let clock = clock
        let providers = try ProviderRegistry.builtIn.applying(settings.providers)
        let timers = LoopTimer(loop: loop)
        let telemetry = WorkerTelemetry(
            cells: slot.counters, providers: ProviderRegistry.builtIn.slugs, logger: Logger(label: "worker"),
            accessLog: settings.accessLog
        )
        self.telemetry = telemetry
        spool = try SpoolWriter(
            directory: settings.spoolDirectory, limit: settings.spoolLimit, observer: telemetry,
            scheduleFlush: { executor.scheduleTurn() }
        )
        let observer = StoreWatch(slot: slot, clock: clock, next: telemetry)
        let scripts = GateScripts()
        var redis: RedisConnection?
        if let endpoint = settings.redis {
            var options = RedisConnection.Options()
            options.maxOutgoing += settings.cacheMaxEntry
            options.deadline = settings.redisTimeout
            redis = try RedisConnection(
                endpoint, caFile: settings.egressCAFile, loop: executor.loop, observer: observer, clock: clock,
                scripts: scripts.all, options: options
            )
        }
        self.redis = redis
        counter = redis.map { RedisRequestCounter($0, clock: clock, timers: timers) }
        control = ControlConnection(
            loop: loop, path: settings.controlSocketPath, slot: identity.slot, observer: telemetry,
            snapshotChanged: { slot.snapshotVersion = $0 },
            storeChanged: { store, isAvailable, since in
                guard store == .postgres else { return }
                slot.postgresState = isAvailable ? .available : .unavailable
                slot.postgresSince = since
                telemetry.record(
                    isAvailable ? .storeAvailable(.postgres) : .storeUnavailable(.postgres, reason: "as control says")
                )
            }
        )
        var upstreamSettings = UpstreamSettings()
        upstreamSettings.additionalRootsFile = settings.egressCAFile
        upstreamSettings.allowsPrivateAddresses = settings.egressAllowsPrivateAddresses
        upstream = try PooledUpstream(
            loop: loop, settings: upstreamSettings, observer: telemetry, scheduleTurn: { executor.scheduleTurn() }
        )
        var limits = WorkerEnvironment.Limits(settings.limits)
        limits.requestBody = settings.maxRequestBody
        let environment = WorkerEnvironment(
            snapshots: control, provisioner: control, secrets: LoopSecretOpener(vault: Vault(masterKey: masterKey)),
            hasher: SHA256TokenHasher(), upstream: upstream,
            sandbox: SandboxUpstream(timers: timers, clock: clock), records: spool,
            counter: counter ?? NoCounter(), observer: telemetry, clock: clock, providers: providers,
            prices: PriceBook(try Self.prices(settings)), limits: limits,
            workersAIAccount: settings.workersAIAccount, timers: timers,
            contentHasher: try LoopContentHasher(),
            answerGate: redis.map {
                Self.gate(
                    RedisAnswerStore($0, scripts: scripts, observer: observer, clock: clock), timers, clock, settings
                )
            },
            digests: LibcryptoDigests(), assertions: RSAAssertionSigner(),
            reasoning: ReasoningMemory(shared: redis.map { RedisReasoningStore($0) }, clock: clock),
            mediaFetching: settings.mediaFetching
        )
        let readiness = Readiness(scoreboard: scoreboard, own: slot, usesRedis: settings.redis != nil)
        registry = ConnectionRegistry(
            environment: environment, local: LocalEndpoints { readiness.report() },
            scheduleTurn: { executor.scheduleTurn() },
            connectionCountChanged: { slot.connections = UInt64($0) },
            handBack: { descriptor in
                switch HandoverSocket().offer(descriptor) {
                case .sent: .given
                case .full: .later
                case .closed: .impossible
                }
            }
        )
        adoption = ClientAdoption(loop: loop, registry: registry, tls: try settings.tls?.serverContext())
        let spool = spool
        let registry = registry
        let upstream = upstream
        executor.atTurnEnd { upstream.endTurn() }
        // The order is a promise: records are on their way to disk before clients see the end of their answers.
        executor.atTurnEnd { spool.flush() }
        executor.atTurnEnd { registry.endTurn() }
    }

    private static func prices(_ settings: WorkerSettings) throws -> PriceCatalog {
        settings.priceList.isEmpty ? try PriceCatalog() : try PriceCatalog(bytes: settings.priceList)
    }

    private static func gate(
        _ store: RedisAnswerStore, _ timers: any Timers, _ clock: any WallClock, _ settings: WorkerSettings
    ) -> SharingGate {
        var bounds = SharingBounds()
        bounds.entry = settings.cacheMaxEntry
        return SharingGate(
            store, timers: timers, clock: clock, coalescing: settings.coalescing,
            whenUnavailable: settings.redisUnavailable, bounds: bounds
        )
    }

    /// Begins to serve: configuration first, then connections.
    func start() {
        Self.running = self
        slot.processID = getpid()
        slot.startedAt = clock.now
        slot.state = .ready
        // First, because it sets all gauges to their beginning.
        telemetry.record(.workerStarted(slot: identity.slot))
        if let bytes = try? WholeFile.read(settings.snapshotPath) { control.adopt(ByteBuffer(bytes: bytes)) }
        control.start()
        redis?.start()
        let registry = registry
        loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
            WorkerLoop.onLoop { registry.tick() }
        }
        receiveConnections()
        receiveOrders()
        SupervisorLink().announceReady()
    }

    private func receiveConnections() {
        let adoption = adoption
        let loop = loop
        let isRunning = BlockingThread.start {
            let handover = HandoverSocket()
            while let descriptor = handover.receive() {
                loop.execute { WorkerLoop.onLoop { adoption.adopt(descriptor) } }
            }
        }
        if !isRunning { leave(status: 71) }
    }

    private func receiveOrders() {
        let role = self
        let loop = loop
        let isRunning = BlockingThread.start {
            let link = SupervisorLink()
            while true {
                let order = link.next()
                loop.execute { WorkerLoop.onLoop { role.obey(order) } }
                if order == nil { return }
            }
        }
        if !isRunning { leave(status: 71) }
    }

    private func obey(_ order: SupervisorOrder?) {
        switch order {
        case .drain, nil: drain()
        case .stop: leave(status: 0)
        case .addWorker, .removeWorker, .stopAccepting: break
        }
    }

    private func drain() {
        guard !isLeaving else { return }
        isLeaving = true
        slot.state = .draining
        telemetry.record(.workerDraining)
        registry.drain { [weak self] in self?.finishDrain() }
    }

    private func finishDrain() {
        let role = self
        loop.scheduleTask(in: Self.lastHandover) {
            WorkerLoop.onLoop {
                if role.registry.count == 0 {
                    role.leave(status: 0)
                } else {
                    role.registry.drain { role.finishDrain() }
                }
            }
        }
    }

    private func leave(status: Int32) {
        counter?.flush()
        redis?.flush()
        spool.flush()
        spool.close()
        telemetry.record(.workerStopped)
        slot.connections = 0
        exit(status)
    }
}

/// Counts nothing, where no Redis is configured.
@WorkerLoop
private final class NoCounter: RequestCounter {
    func count(_ gateway: GatewayID, of account: AccountID) {}
}
