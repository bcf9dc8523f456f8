package import GatewayCore

/// What a control process is told at its start; read from an inherited descriptor.
package struct ControlSettings: Sendable {
    package var stateDirectory: String
    package var postgresURL: Secret<String>
    package var redisURL: Secret<String>
    /// The node's first account, made when it is missing.
    package var account: AccountID
    /// The node's first token, made when it is missing.
    package var token: Secret<String>
    package var dataURL: String
    package var controlURL: String
    /// Of the control port; nil: plain HTTP.
    package var tls: TLSIdentity?
    package var limits = ProductLimits()
    /// Where secrets may point to, as `secrets.references` has it.
    package var secretReferences: [String]
    /// Variables of the daemon's environment to which secrets may point; they come this way, not by inheritance.
    package var secretEnvironment: [String: Secret<String>]
    package var secretRefreshMilliseconds: Int
    package var vaultAddress: String?
    package var vaultTokenFile: String?
    package var vaultNamespace: String?
    /// Files with secrets of the daemon itself beside its state directory; no secret may point to them.
    package var ownFiles: [String]
    /// Bytes of records in memory between spool and PostgreSQL.
    package var logQueue: Int
    /// Bytes of settled records that may wait on this node's disk.
    package var spoolLimit: Int
    /// Days after which a month of logs is dropped; zero: never.
    package var logRetentionDays: Int
    package var pricesFile: String?
    /// The file of declarations, as the supervisor found it; nil: none is configured.
    package var declarations: Declarations?
    package var egressCAFile: String?
    package var egressAllowsPrivateAddresses: Bool
    package var guardrailsEndpoint: String?
    package var guardrailsModel: String?
    package var guardrailsPromptInjectionModel: String?
    package var guardrailsAPIKeyFile: String?
    package var guardrailsTimeoutMilliseconds: Int
    /// swift-log level name.
    package var logLevel: String
    /// `text` or `json`.
    package var logFormat: String

    /// A file of declarations by value: control may run as a user who cannot read it.
    package struct Declarations: Sendable, Equatable {
        /// For messages.
        package var path: String
        package var content: [UInt8] = []
        /// Why the file could not be read; nil: it was.
        package var problem: String?
        package var prunes = false
        /// Nil: the first account.
        package var account: AccountID?
        /// Microseconds since 1970: read again is applied again, also where nothing has changed.
        package var readAt: Int = 0

        package init(path: String) { self.path = path }
    }

    package init(stateDirectory: String, postgresURL: Secret<String>, redisURL: Secret<String>, account: AccountID) {
        self.stateDirectory = stateDirectory
        self.postgresURL = postgresURL
        self.redisURL = redisURL
        self.account = account
        token = Secret("")
        dataURL = ""
        controlURL = ""
        secretReferences = []
        secretEnvironment = [:]
        ownFiles = []
        secretRefreshMilliseconds = 60_000
        logQueue = 8 << 20
        spoolLimit = 4 << 30
        logRetentionDays = 0
        egressAllowsPrivateAddresses = false
        guardrailsTimeoutMilliseconds = 5000
        logLevel = "info"
        logFormat = "json"
    }

    /// The parsed `redisURL`; nil when it is malformed, which the loader excludes.
    package var redis: RedisEndpoint? { RedisURL.endpoint(redisURL.reveal()) }

    /// Segments of settled records, one folder per worker process.
    package var spoolDirectory: String { worker.spoolDirectory }
    /// The last good snapshot.
    package var snapshotPath: String { worker.snapshotPath }
    /// The socket on which workers reach this process.
    package var workerSocketPath: String { worker.controlSocketPath }

    private var worker: WorkerSettings { WorkerSettings(stateDirectory: stateDirectory) }
}
