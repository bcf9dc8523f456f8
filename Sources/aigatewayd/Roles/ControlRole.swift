import AdminAPI
import ControlPlane
import ExternalSecrets
import GatewayCore
import Glibc
import Logging
import NIOCore
import NIOPosix
import Outbound
import PostgresStore
import ProcessRuntime
import Providers
import RecordSpool
import SecretVault
import Settings
import Telemetry

/// The role `control`: reads what it inherited, serves until the supervisor says otherwise, and gives the exit status.
func runControl() async -> Int32 {
    ProcessRole.control.assume()
    // The supervisor says when to stop; a signal to the whole group must not keep settled records from being shipped.
    signal(SIGTERM, SIG_IGN)
    let bytes = InheritedBytes.read(descriptor: InheritedDescriptor.settings)
    guard let settings = ControlSettings(decoding: ByteBuffer(bytes: bytes)) else {
        return ExitStatus.internalFailure.rawValue
    }
    StandardErrorLog.install(level: settings.logLevel, format: settings.logFormat, process: "control")
    let logger = Logger(label: "control")
    do {
        let masterKey = try MasterKey(Secret(InheritedBytes.read(descriptor: InheritedDescriptor.masterKey)))
        return try await ControlRole(settings, masterKey: masterKey, logger: logger).run()
    } catch {
        logger.critical("control cannot go on", reason: "\(error)")
        return ExitStatus.internalFailure.rawValue
    }
}

/// The composition of a control process: everything it runs, and in which order it begins and ends.
///
/// Waits for nothing but a snapshot: while PostgreSQL is away it serves its workers from the one on disk, answers API
/// calls with 503, and goes on by itself when the database comes back.
struct ControlRole: Sendable {
    /// How long a start waits for the database before the snapshot on disk is good enough.
    private static let patience: Duration = .seconds(3)
    /// How long a start waits for the snapshot with what was declared.
    private static let snapshotLimit: Duration = .seconds(1)
    /// How long the end waits for the database to take the last records; they stay on disk otherwise.
    private static let shippingLimit: Duration = .seconds(60)
    /// The same when the supervisor is gone.
    private static let orphanLimit: Duration = .seconds(3)
    /// Longest statement of an API call: a database that hangs is told as 503, not waited for by the caller's time-out.
    private static let statementLimit: Duration = .seconds(8)
    /// The same of work that nobody waits for: deletions and evaluations may have to search whole logs.
    private static let patientStatementLimit: Duration = .seconds(600)
    /// Evaluations, deletions, logs that make room, counting anew, old roll-ups, and months: none waits for another.
    private static let patientUsers = 6
    private static let retry: Duration = .milliseconds(250)

    private enum Outcome: Sendable { case order(SupervisorOrder?), ended }

    let settings: ControlSettings
    let logger: Logger
    private let pool: PostgresPool
    let patientPool: PostgresPool
    private let readingPool: PostgresPool
    private let gateways: GatewayAdministration
    private let tokens: TokenAdministration
    private let compiler: SnapshotCompiler
    private let workers: WorkerLinkServer
    private let drain: SpoolDrain
    private let exports: ExportRunner
    /// Nil when no file of declarations is configured.
    private let declarations: DeclarationKeeper?
    private let snapshotFile: SnapshotFile
    private let listener: ControlListener
    private let supervisor = SupervisorLink()

    init(_ settings: ControlSettings, masterKey: MasterKey, logger: Logger) throws {
        self.settings = settings
        self.logger = logger
        let clock = CommandClock()
        var options = PostgresOptions(url: settings.postgresURL.reveal())
        options.statementTimeout = Self.statementLimit
        let pool = PostgresPool(options)
        self.pool = pool
        let readingPool = PostgresPool(options)
        self.readingPool = readingPool
        let reading = ReadingPool(readingPool)
        options.statementTimeout = Self.patientStatementLimit
        patientPool = PostgresPool(options, size: Self.patientUsers)
        let egress: EgressRule = settings.egressAllowsPrivateAddresses ? .anyAddress : .publicAddressesOnly
        let limits = settings.limits
        let gateways = GatewayAdministration(pool, limits: limits, egress: egress)
        self.gateways = gateways
        let tokens = TokenAdministration(
            pool, limitPerAccount: limits.tokensPerAccount, clock: clock
        )
        self.tokens = tokens
        let file = SnapshotFile(path: settings.snapshotPath)
        snapshotFile = file

        try Self.makeFolder(ofFile: settings.workerSocketPath)
        let provisioning = DefaultGatewayProvisioning(gateways)
        let workers = WorkerLinkServer(path: settings.workerSocketPath, postgres: pool) { account in
            await provisioning.provision(account)
        }
        self.workers = workers
        let vault = Vault(masterKey: masterKey)
        let rules = ReferenceRules(settings.secretReferences)
        let sealer = SecretSealer(vault: vault, rules: rules)
        let external = ExternalSecrets(
            rules: rules, environment: settings.secretEnvironment.mapValues { $0.reveal() },
            vault: try Self.vaultClient(settings),
            ownFiles: OwnFiles(files: settings.ownFiles, directory: settings.stateDirectory)
        )
        exports = ExportRunner(
            session: pool.makeSession(), client: try Self.outboundClient(settings, egress), egress: egress,
            secrets: ExportSecrets(pool, vault: vault, external: external), vault: vault, clock: clock,
            logpushRowLimit: limits.logpushEntry
        ) { event in Self.report(event, logger) }
        declarations = Self.declarations(
            settings, pool, sealer, rules, egress, clock, logger
        )
        let compiler = SnapshotCompiler(
            pool,
            references: ReferenceResolver(
                external,
                vault: vault, interval: .milliseconds(settings.secretRefreshMilliseconds), previous: file.load()
            ) { event in Self.report(event, logger) },
            publish: { snapshot in
                do throws(SpoolError) {
                    try file.save(snapshot)
                } catch {
                    logger.error("a snapshot could not be written to disk", reason: "\(error)")
                }
                await workers.publish(snapshot)
            },
            report: { event in
                switch event {
                case .compiled(let version, let gateways):
                    logger.debug(
                        "snapshot compiled",
                        metadata: [
                            AIGKey.version.rawValue: "\(version)", AIGKey.gateways.rawValue: "\(gateways)",
                        ]
                    )
                case .failed(let reason): logger.warning("no snapshot can be compiled", reason: reason)
                }
            }
        )
        self.compiler = compiler
        provisioning.compiler.store(compiler)
        let drain = try SpoolDrain(
            directory: settings.spoolDirectory, session: pool.makeSession(),
            rate: LogRate(limit: limits.logsPerSecond), rowLimit: limits.logRowsPerGateway
        ) { event in
            Self.report(event, logger)
        }
        self.drain = drain

        let routes = AdminRoutes(
            gateways: gateways,
            logs: LogAdministration(pool, reading: reading, clock: clock) { await drain.drainNow(within: $0) },
            datasets: DatasetAdministration(pool),
            evaluations: EvaluationAdministration(pool, mostDatasets: limits.datasetsPerEvaluation) {
                await drain.drainNow(within: $0)
            },
            tokens: tokens,
            providerConfigs: ProviderConfigAdministration(
                pool, sealer: sealer,
                canonicalProvider: DeclarationAccess.canonicalProvider
            ),
            customProviders: CustomProviderAdministration(pool, vault: vault, egress: egress),
            secretsStore: SecretsStoreAdministration(
                pool, sealer: sealer,
                limits: .init(
                    stores: limits.secretStoresPerAccount, secrets: limits.secretsPerAccount)
            ),
            analytics: AnalyticsAdministration(reading, clock: clock) { await drain.drainNow(within: $0) },
            logpush: LogpushAdministration(
                pool, vault: vault, egress: egress, jobLimit: limits.logpushJobsPerAccount
            ),
            dynamicRoutes: DynamicRouteAdministration(
                pool, limitPerGateway: limits.dynamicRoutesPerGateway, branches: limits.percentageBranches
            ),
            customCosts: CustomCostAdministration(pool),
            credit: CreditAdministration(pool, clock: clock), audit: AuditAdministration(reading),
            publicURL: settings.dataURL,
            clock: clock, limits: limits, waitForSnapshot: { _ = await compiler.wait(for: $0, atMost: $1) }
        )
        let responder = AdminResponder(
            routes: routes.table, tokens: tokens, callsPerFiveMinutes: limits.apiRequestsPerFiveMinutes,
            clock: clock
        ) { problem in
            logger.error("an API call failed", reason: problem)
        }
        let status = ControlStatus(
            pool: pool, compiler: compiler, drain: drain, exports: exports, file: file, declarations: declarations
        )
        listener = ControlListener(
            surface: ControlSurface(
                api: responder, health: { await status.health() }, metrics: { await status.metrics() }
            ),
            tls: settings.tls, group: MultiThreadedEventLoopGroup.singleton, logger: logger
        )
    }

    /// Runs until the supervisor says otherwise or is gone; returns the exit status.
    func run() async throws -> Int32 {
        let previous = snapshotFile.load()
        if let previous { await workers.publish(previous) }
        let orders = Self.orders(supervisor)
        let listeners = InheritedDescriptor.listeners()
        let order = try await withThrowingTaskGroup(of: Outcome.self) { group in
            group.addTask {
                for await order in orders { return .order(order) }
                return .order(nil)
            }
            group.addTask {
                try await workers.run(); return .ended
            }
            group.addTask {
                try await listener.run(listeners); return .ended
            }
            group.addTask {
                try await serveDatabase(); return .ended
            }
            group.addTask {
                await announce(hasPrevious: previous != nil); return .ended
            }
            defer { group.cancelAll() }
            while let outcome = try await group.next() {
                if case .order(let order) = outcome { return order }
            }
            return nil
        }
        if order == .stop { return 0 }
        // Without a supervisor the embedded database is ending as well; the spool waits for the next start.
        let ending = await drain.finish(within: order == nil ? Self.orphanLimit : Self.shippingLimit)
        if case .left(let bytes) = ending {
            logger.warning("records stay in the spool for the next start", reason: "\(bytes) bytes")
        }
        await pool.close()
        await patientPool.close()
        await readingPool.close()
        return 0
    }

    /// Brings the database up to date as soon as it is there, then does everything that needs it.
    private func serveDatabase() async throws {
        let migrations = try MigrationSource.locate(executable: DatabaseAccess.executable).load()
        let migrator = Migrator(PostgresOptions(url: settings.postgresURL.reveal()))
        try await persist("the database is not there yet") {
            for migration in try await migrator.migrate(migrations) {
                logger.notice("migration applied", reason: migration.name)
            }
        } isTemporary: {
            ($0 as? MigrationError)?.isTemporary ?? false
        }
        try await persist("the first account is not there yet") {
            try await tokens.bootstrap(account: settings.account, token: settings.token)
        } isTemporary: {
            ($0 as? ControlError) == .storeUnavailable
        }
        let chores = startChores()
        defer { for chore in chores { chore.cancel() } }
        await withDiscardingTaskGroup { group in
            group.addTask { await compiler.run() }
            group.addTask { await drain.run() }
            group.addTask { await exports.run() }
            group.addTask { await declarations?.run() }
            group.addTask {
                await LogPartitionKeeper(
                    pool, patience: patientPool, retentionDays: settings.logRetentionDays, clock: CommandClock()
                ) { error in
                    logger.warning("log partitions could not be made or dropped", reason: error.description)
                }.run()
            }
        }
    }

    /// Repeats `body` while what keeps it from succeeding may pass.
    private func persist(
        _ complaint: Logger.Message, _ body: () async throws -> Void, isTemporary: (any Error) -> Bool
    ) async throws {
        var hasComplained = false
        while true {
            do { return try await body() } catch {
                guard isTemporary(error) else { throw error }
                if !hasComplained { logger.warning(complaint, reason: "\(error)") }
                hasComplained = true
            }
            try await Task.sleep(for: Self.retry)
        }
    }

    /// Tells the supervisor that workers may start: they will find a snapshot.
    ///
    /// With what is declared, if that is in force soon: a long file, or others who hold the configuration locked, keep
    /// nobody from serving what the database has.
    private func announce(hasPrevious: Bool) async {
        let deadline = ContinuousClock.now + Self.patience
        while await compiler.version == nil {
            if hasPrevious, ContinuousClock.now >= deadline { break }
            do { try await Task.sleep(for: .milliseconds(10)) } catch { return }
        }
        let limit = hasPrevious ? deadline - ContinuousClock.now : Self.patience
        if let version = await declarations?.settled(within: limit) {
            await compiler.wait(for: version, atMost: Self.snapshotLimit)
        }
        supervisor.announceReady()
        logger.notice("control is ready")
    }

    /// The supervisor's orders, read on a thread of their own.
    ///
    /// Ends when the supervisor is gone.
    private static func orders(_ link: SupervisorLink) -> AsyncStream<SupervisorOrder> {
        let (stream, continuation) = AsyncStream.makeStream(of: SupervisorOrder.self)
        BlockingCall.start {
            while let order = link.next() { continuation.yield(order) }
            continuation.finish()
        }
        return stream
    }

    private static func makeFolder(ofFile path: String) throws {
        let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        guard folder.isEmpty || mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw ControlRoleError.noFolder(folder, errno)
        }
    }

    /// Who applies the file of declarations, if one is configured.
    private static func declarations(
        _ settings: ControlSettings, _ pool: PostgresPool, _ sealer: SecretSealer, _ rules: ReferenceRules,
        _ egress: EgressRule, _ clock: any WallClock, _ logger: Logger
    ) -> DeclarationKeeper? {
        guard let file = settings.declarations else { return nil }
        return DeclarationKeeper(
            .init(
                path: file.path, content: file.content, problem: file.problem,
                readAt: Instant(microseconds: Int64(file.readAt))
            ),
            account: file.account ?? settings.account, file.prunes ? .deleteOthers : .keepOthers,
            reader: DeclarationReader(
                rules: rules, egress: egress, limits: settings.limits,
                canonicalProvider: DeclarationAccess.canonicalProvider
            ),
            administration: DeclarationAdministration(
                pool, sealer: sealer, egress: egress,
                limits: settings.limits
            ),
            clock: clock
        ) { event in report(event, logger) }
    }

    /// The client for `vault:` references; nil when no server is configured.
    private static func vaultClient(_ settings: ControlSettings) throws -> VaultClient? {
        guard let address = settings.vaultAddress, let tokenFile = settings.vaultTokenFile else { return nil }
        do throws(VaultClient.SetupFailure) {
            return try VaultClient(
                address: address, tokenFile: tokenFile, namespace: settings.vaultNamespace,
                rootsFile: settings.egressCAFile
            )
        } catch {
            throw ControlRoleError.unusable(error.reason)
        }
    }

    /// The client for exports.
    private static func outboundClient(
        _ settings: ControlSettings, _ egress: EgressRule
    ) throws -> OutboundClient {
        do throws(OutboundClient.SetupFailure) {
            return try OutboundClient(egress: egress, rootsFile: settings.egressCAFile)
        } catch {
            throw ControlRoleError.unusable(error.reason)
        }
    }
}

/// Why the control role cannot run here.
enum ControlRoleError: Error, CustomStringConvertible {
    case noFolder(String, Int32)
    case unusable(String)

    var description: String {
        switch self {
        case .unusable(let reason): reason
        case .noFolder(let path, let code): "\(path): \(String(cString: strerror(code)))"
        }
    }
}
