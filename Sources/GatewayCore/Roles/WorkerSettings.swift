package import NIOCore

/// What a worker process is told at its start, typed; read from an inherited descriptor.
package struct WorkerSettings: Sendable, Equatable {
    /// Replaces parts of a provider's built-in address (decisions 1–3).
    package struct ProviderOverride: Sendable, Equatable {
        package var provider: ProviderID
        package var baseURL: String?
        package var webSocketURL: String?
        /// `native` or `openai`.
        package var compatUpstream: String?
        /// Where service accounts are exchanged for access tokens (decisions 11).
        package var tokenURL: String?
        package var enabled: Bool
        package init(provider: ProviderID) {
            self.provider = provider
            enabled = true
        }
    }

    package var stateDirectory: String
    /// Bytes; a larger request body is refused with 413.
    package var maxRequestBody: Int
    package var limits = ProductLimits()
    /// Bytes of settled records that may wait for control on this node.
    package var spoolLimit: Int
    package var redis: RedisEndpoint?
    /// Whether requests whose limit cannot be checked are let through (`allow`) or refused.
    package var redisUnavailable: RedisUnavailablePolicy
    /// How long an operation may take before the store counts as unavailable (`redis.timeout`).
    package var redisTimeout: Duration
    /// Bytes; a larger answer is not kept in the cache (`cache.max_entry_size`).
    package var cacheMaxEntry: Int
    package var coalescing: Coalescing
    package var providers: [ProviderOverride]
    /// PEM file with additional roots for upstream TLS.
    package var egressCAFile: String?
    package var egressAllowsPrivateAddresses: Bool
    package var mediaFetching: MediaFetching
    /// Of the data port; nil: plain HTTP.
    package var tls: TLSIdentity?
    package var trustedProxies: [String]
    /// Account id in Workers AI's upstream URL; nil: the account of the gateway URL.
    package var workersAIAccount: String?
    /// Text of the price list that replaces the built-in one, checked by whoever started the worker; empty: built-in.
    package var priceList: [UInt8] = []
    /// swift-log level name.
    package var logLevel: String
    /// `text` or `json`.
    package var logFormat: String
    /// Whether each request leaves an access line in the process log (`log.requests`).
    package var accessLog: AccessLogPolicy

    package init(stateDirectory: String) {
        self.stateDirectory = stateDirectory
        maxRequestBody = 100 << 20
        spoolLimit = 4 << 30
        redisUnavailable = .allow
        redisTimeout = .milliseconds(20)
        cacheMaxEntry = 1 << 20
        coalescing = .on
        providers = []
        egressAllowsPrivateAddresses = false
        mediaFetching = .on
        trustedProxies = []
        logLevel = "info"
        logFormat = "json"
        accessLog = .off
    }

    /// Segments of settled records, one folder per worker process.
    package var spoolDirectory: String { stateDirectory + "/spool" }
    /// The last good snapshot.
    package var snapshotPath: String { stateDirectory + "/snapshot.bin" }
    /// Control's socket for workers.
    package var controlSocketPath: String { stateDirectory + "/run/control.sock" }
}

/// What happens to a request whose limit cannot be checked (`redis.when_unavailable`).
package enum RedisUnavailablePolicy: String, Sendable, CaseIterable { case allow, refuse }

/// Whether equal cacheable requests in flight share one provider call (`cache.coalescing`).
package enum Coalescing: String, Sendable, CaseIterable { case off, on }

/// Whether images that a request only names are fetched (`egress.fetch_media`).
package enum MediaFetching: String, Sendable, CaseIterable { case off, on }

/// Whether requests are written to the process log, one line each (`log.requests`).
package enum AccessLogPolicy: String, Sendable, CaseIterable { case off, on }

/// Where a Redis server is reached.
package struct RedisEndpoint: Sendable, Equatable {
    package enum Address: Sendable, Equatable {
        case unix(path: String)
        case tcp(host: String, port: Int)
    }
    package var address: Address
    package var usesTLS: Bool
    package var username: String?
    package var password: Secret<String>?
    package var database: Int

    package init(
        address: Address, usesTLS: Bool = false, username: String? = nil, password: Secret<String>? = nil,
        database: Int = 0
    ) {
        self.address = address
        self.usesTLS = usesTLS
        self.username = username
        self.password = password
        self.database = database
    }

    package static func == (left: RedisEndpoint, right: RedisEndpoint) -> Bool {
        left.address == right.address && left.usesTLS == right.usesTLS && left.username == right.username
            && left.password?.reveal() == right.password?.reveal()
            && left.database == right.database
    }
}

extension WorkerSettings {
    package func encoded() -> ByteBuffer {
        var out = TaggedWriter()
        out.write(1, stateDirectory)
        out.write(2, maxRequestBody)
        out.write(3, spoolLimit)
        if let redis { out.write(4) { redis.encode(into: &$0) } }
        out.write(5, redisUnavailable.rawValue)
        for entry in providers {
            out.write(6) {
                $0.write(1, entry.provider.rawValue)
                $0.write(2, entry.baseURL)
                $0.write(3, entry.webSocketURL)
                $0.write(4, entry.compatUpstream)
                $0.write(5, !entry.enabled)
                $0.write(6, entry.tokenURL)
            }
        }
        out.write(7, egressCAFile)
        out.write(8, egressAllowsPrivateAddresses)
        if let tls { out.write(9) { tls.encode(into: &$0) } }
        for network in trustedProxies { out.write(11, network) }
        out.write(12, workersAIAccount)
        if !priceList.isEmpty { out.write(13, bytes: priceList) }
        out.write(14, logLevel)
        out.write(15, logFormat)
        out.write(16, accessLog.rawValue)
        out.write(17, cacheMaxEntry)
        out.write(18, coalescing.rawValue)
        out.write(19, signed: redisTimeout.wholeMicroseconds)
        out.write(20, mediaFetching.rawValue)
        out.write(21) { limits.encode(into: &$0) }
        return out.buffer
    }

    /// Reads settings; nil when the bytes are damaged or name no state directory.
    package init?(decoding buffer: ByteBuffer) {
        var reader = TaggedReader(buffer)
        self.init(stateDirectory: "")
        while let field = reader.next() {
            switch field.number {
            case 1: stateDirectory = field.string
            case 2: maxRequestBody = field.int
            case 3: spoolLimit = field.int
            case 4: redis = RedisEndpoint(decoding: field.nested)
            case 5: redisUnavailable = RedisUnavailablePolicy(rawValue: field.string) ?? .allow
            case 6: providers.append(ProviderOverride(decoding: field.nested))
            case 7: egressCAFile = field.string
            case 8: egressAllowsPrivateAddresses = field.bool
            case 9: tls = TLSIdentity(decoding: field.nested)
            case 11: trustedProxies.append(field.string)
            case 12: workersAIAccount = field.string
            case 13: priceList = field.array
            case 14: logLevel = field.string
            case 15: logFormat = field.string
            case 16: accessLog = AccessLogPolicy(rawValue: field.string) ?? .off
            case 17: cacheMaxEntry = field.int
            case 18: coalescing = Coalescing(rawValue: field.string) ?? .on
            case 19: redisTimeout = .microseconds(field.signed)
            case 20: mediaFetching = MediaFetching(rawValue: field.string) ?? .on
            case 21: limits = ProductLimits(decoding: field.nested)
            default: break
            }
        }
        if reader.isDamaged || stateDirectory.isEmpty { return nil }
    }
}

extension WorkerSettings.ProviderOverride {
    fileprivate init(decoding reader: TaggedReader) {
        self.init(provider: "")
        var reader = reader
        while let field = reader.next() {
            switch field.number {
            case 1: provider = ProviderID(field.string)
            case 2: baseURL = field.string
            case 3: webSocketURL = field.string
            case 4: compatUpstream = field.string
            case 5: enabled = !field.bool
            case 6: tokenURL = field.string
            default: break
            }
        }
    }
}

extension RedisEndpoint {
    fileprivate func encode(into out: inout TaggedWriter) {
        switch address {
        case .unix(let path): out.write(1, path)
        case .tcp(let host, let port):
            out.write(2, host)
            out.write(3, port)
        }
        out.write(4, usesTLS)
        out.write(6, username)
        out.write(7, password?.reveal())
        out.write(8, database)
    }

    fileprivate init(decoding reader: TaggedReader) {
        self.init(address: .unix(path: ""))
        var host: String?
        var port = 6379
        var reader = reader
        while let field = reader.next() {
            switch field.number {
            case 1: address = .unix(path: field.string)
            case 2: host = field.string
            case 3: port = field.int
            case 4: usesTLS = field.bool
            case 6: username = field.string
            case 7: password = Secret(field.string)
            case 8: database = field.int
            default: break
            }
        }
        if let host { address = .tcp(host: host, port: port) }
    }
}
