package import GatewayCore

/// All settings of a node, typed and checked; each role is given its own part (`Roles/`).
package struct DaemonSettings: Sendable {
    /// Certificate and key of a port that speaks TLS.
    package struct TLSFiles: Sendable, Equatable {
        package var certificate: String
        package var privateKey: String
    }

    /// The service that judges prompts and answers.
    package struct Guardrails: Sendable, Equatable {
        package var endpoint: EndpointURL?
        package var model: String?
        package var promptInjectionModel: String?
        package var apiKeyFile: String?
        package var timeout: Duration
    }

    /// Secrets whose values are elsewhere.
    package struct Secrets: Sendable, Equatable {
        /// Where they may be: references, or beginnings of them followed by `*`.
        package var references: [String]
        package var refreshInterval: Duration
        package var vaultAddress: EndpointURL?
        package var vaultTokenFile: String?
        package var vaultNamespace: String?
    }

    /// A file whose content is applied to an account.
    package struct Declarations: Sendable, Equatable {
        /// Absolute.
        package var file: String
        /// Whether what its sections do not name is deleted.
        package var prunes: Bool
        /// Nil: the node's first account.
        package var account: AccountID?
    }

    /// How answers are kept and shared.
    package struct Cache: Sendable, Equatable {
        /// Bytes; what a worker can hand to Redis and take from it in one piece.
        package static let largestEntry = 32 << 20
        /// Bytes.
        package var maxEntry: Int
        package var coalescing: Coalescing
    }

    /// The process's own log.
    package struct Log: Sendable, Equatable {
        /// swift-log level name.
        package var level: String
        /// `text` or `json`.
        package var format: String
        package var requests: AccessLogPolicy
    }

    package var dataListen: [PortAddress]
    package var dataTLS: TLSFiles?
    /// How clients reach the data port, where that is not its own address.
    package var publicURL: EndpointURL?
    package var trustedProxies: [NetworkRange]
    /// Bytes.
    package var maxRequestBody: Int
    package var controlListen: [PortAddress]
    package var controlTLS: TLSFiles?
    package var workerCount: Int
    /// Nil: streams of an outgoing worker are waited for without end.
    package var drainTimeout: Duration?
    /// Absolute.
    package var stateDirectory: String
    /// Nil: an embedded server.
    package var postgresURL: Secret<String>?
    /// Nil: an embedded server.
    package var redisURL: Secret<String>?
    package var redisUnavailable: RedisUnavailablePolicy
    package var redisTimeout: Duration
    package var cache: Cache
    package var masterKeyFile: String?
    package var secrets: Secrets
    package var providers: [WorkerSettings.ProviderOverride]
    package var processUser: String?
    package var egressAllowsPrivateAddresses: Bool
    package var mediaFetching: MediaFetching
    package var egressCAFile: String?
    package var guardrails: Guardrails
    package var limits: ProductLimits
    /// Bytes.
    package var logQueue: Int
    /// Bytes.
    package var spoolLimit: Int
    /// Days after which a month of logs is dropped; zero: never.
    package var logRetentionDays: Int
    package var bootstrapAccount: AccountID?
    package var bootstrapToken: Secret<String>?
    package var workersAIAccount: String?
    package var pricesFile: String?
    package var declarations: Declarations?
    package var log: Log
    /// The file that was read, absolute; it may hold passwords.
    package var configurationFile: String?

    /// Where the data port is reached from this machine; empty when it listens on Unix sockets only.
    package var dataURL: String { Self.localURL(dataListen, tls: dataTLS) }
    /// Where the control port is reached from this machine; empty when it listens on Unix sockets only.
    package var controlURL: String { Self.localURL(controlListen, tls: controlTLS) }

    private static func localURL(_ addresses: [PortAddress], tls: TLSFiles?) -> String {
        addresses.lazy.compactMap { $0.localURL(scheme: tls == nil ? "http" : "https") }.first ?? ""
    }
}
