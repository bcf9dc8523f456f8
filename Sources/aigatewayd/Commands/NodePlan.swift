import ExternalSecrets
import GatewayCore
import Logging
import NIOCore
import ProcessRuntime
import Settings
import Supervision

/// What `serve` makes of the settings: keys and credentials on disk, and the supervisor's configuration.
struct NodePlan: Sendable {
    let settings: DaemonSettings
    let input: SettingsInput
    let masterKey: Secret<[UInt8]>
    let credentials: NodeCredentials
    let programs: Programs
    /// Text of the price list that replaces the built-in one; empty when there is none.
    private let priceList: [UInt8]
    private let dataIdentity: TLSIdentity?
    private let controlIdentity: TLSIdentity?
    private let logger = Logger(label: "supervisor")

    /// Prepares the state directory, the master key and the first account's credentials.
    init(_ settings: DaemonSettings, input: SettingsInput) throws {
        self.settings = settings
        self.input = input
        priceList = try PriceListFile.load(settings)
        dataIdentity = try settings.dataTLS?.identity("data.tls")
        controlIdentity = try settings.controlTLS?.identity("control.tls")
        try StateDirectory.prepare(settings.stateDirectory)
        masterKey = try MasterKeyFile.load(settings).bytes
        credentials = try NodeCredentials.prepare(settings)
        programs = try Programs.installed()
    }

    func configuration() -> SupervisorConfiguration {
        let supervisor = settings.supervisor
        var stores: Set<FleetRole> = []
        if supervisor.postgres == .embedded { stores.insert(.postgres) }
        if supervisor.redis == .embedded { stores.insert(.redis) }
        var configuration = SupervisorConfiguration(
            stateDirectory: supervisor.stateDirectory,
            dataListen: supervisor.dataListen.compactMap { .init($0.description) },
            controlListen: supervisor.controlListen.compactMap { .init($0.description) },
            workers: supervisor.workerCount,
            masterKey: masterKey,
            embeddedStores: stores,
            programs: programs,
            settings: { addresses in try childSettings(addresses) },
            reload: { _ in
                let changed = try SettingsOptions.read(input)
                if changed.stateDirectory != settings.stateDirectory {
                    throw SettingsError("state_directory: a change needs a restart")
                }
                return try NodePlan(changed, input: input).configuration()
            },
            announce: { Banner(settings, credentials).print() },
            log: { [logger] level, text in
                switch level {
                case .notice: logger.notice("\(text)")
                case .warning: logger.warning("\(text)")
                case .error: logger.error("\(text)")
                }
            }
        )
        configuration.drainLimit = supervisor.drainTimeout
        configuration.processUser = supervisor.processUser
        return configuration
    }

    /// Completes the credentials with the embedded stores, writes them, and encodes what each role is told.
    private func childSettings(
        _ stores: SupervisorConfiguration.StoreAddresses
    ) throws -> SupervisorConfiguration.ChildSettings {
        guard let postgres = settings.postgresURL ?? stores.postgres.map({ Secret($0) }),
            let redis = settings.redisURL ?? stores.redis.map({ Secret($0) })
        else { throw SettingsError("a store has neither a URL nor an embedded server") }
        var complete = credentials
        complete.postgresURL = stores.postgres.map { Secret($0) }
        complete.redisURL = stores.redis.map { Secret($0) }
        try CredentialsFile(stateDirectory: settings.stateDirectory).write(complete)
        var worker = settings.worker(redisURL: redis)
        // By value: a file that is edited under a running node must not keep a worker from being replaced.
        worker.priceList = priceList
        worker.tls = dataIdentity
        var control = settings.control(
            postgresURL: postgres, redisURL: redis, credentials: complete,
            environment: ReferenceRules(settings.secrets.references).variables(of: input.environment),
            now: CommandClock().now
        )
        control.tls = controlIdentity
        return SupervisorConfiguration.ChildSettings(
            worker: Array(buffer: worker.encoded()), control: Array(buffer: control.encoded())
        )
    }
}
