package import GatewayCore
package import ProcessRuntime

/// Everything a supervisor is told: plain values, and closures for what only the composition root can do.
package struct SupervisorConfiguration: Sendable {
    /// Where the embedded stores are reached; nil for a store that is somebody else's.
    package struct StoreAddresses: Sendable, Equatable {
        /// `postgres:///aigatewayd?host=…&user=…`, as libpq reads it.
        package var postgres: String?
        /// `unix:/path`.
        package var redis: String?
    }

    /// Encoded settings, one blob per kind of child.
    package struct ChildSettings: Sendable, Equatable {
        /// An encoded `WorkerSettings`.
        package var worker: [UInt8]
        package var control: [UInt8]

        package init(worker: [UInt8], control: [UInt8]) {
            self.worker = worker
            self.control = control
        }
    }

    package enum LogLevel: Sendable { case notice, warning, error }

    /// Absolute path; exists.
    package var stateDirectory: String
    package var dataListen: [ListenAddress]
    package var controlListen: [ListenAddress]
    package var workers: Int
    /// `workers.drain_timeout`; nil: without end.
    package var drainLimit: Duration?
    /// `process.user`: what front, workers, control and embedded stores run as; only when started as root.
    package var processUser: String?
    /// 32 bytes, or several times as many around a rotation: the key in use first.
    package var masterKey: Secret<[UInt8]>
    package var embeddedStores: Set<FleetRole>
    package var programs: Programs
    /// The settings of the children, once the addresses of the embedded stores are known.
    ///
    /// Called once, at the start.
    package var settings: @Sendable (StoreAddresses) throws -> ChildSettings
    /// Reads the configuration again (SIGHUP).
    ///
    /// What it throws is logged, and the old configuration stays.
    package var reload: @Sendable (StoreAddresses) throws -> SupervisorConfiguration
    /// Called once, when everything serves.
    package var announce: @Sendable () -> Void
    package var log: @Sendable (LogLevel, String) -> Void

    package init(
        stateDirectory: String, dataListen: [ListenAddress], controlListen: [ListenAddress], workers: Int,
        masterKey: Secret<[UInt8]>, embeddedStores: Set<FleetRole>, programs: Programs,
        settings: @escaping @Sendable (StoreAddresses) throws -> ChildSettings,
        reload: @escaping @Sendable (StoreAddresses) throws -> SupervisorConfiguration,
        announce: @escaping @Sendable () -> Void,
        log: @escaping @Sendable (LogLevel, String) -> Void
    ) {
        self.stateDirectory = stateDirectory
        self.dataListen = dataListen
        self.controlListen = controlListen
        self.workers = workers
        self.masterKey = masterKey
        self.embeddedStores = embeddedStores
        self.programs = programs
        self.settings = settings
        self.reload = reload
        self.announce = announce
        self.log = log
    }
}
