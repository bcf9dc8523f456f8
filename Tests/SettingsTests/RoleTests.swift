import GatewayCore
import NIOCore
import Settings
import Testing

@Suite("What each role is told")
struct RoleTests {
    private static let yaml = """
        data:
          listen: [127.0.0.1:1, 'unix:/run/a.sock']
          trusted_proxies: [10.0.0.0/8]
          max_request_body: 1MiB
          tls: {certificate: /c.pem, private_key: k.pem}
        workers: {count: 2, drain_timeout: 5m}
        redis: {when_unavailable: refuse}
        cache: {max_entry_size: 2MiB, coalescing: false}
        egress: {allow_private_addresses: true, fetch_media: false, ca_file: /ca.pem}
        logs: {spool_max: 1GiB, queue: 1MiB, retention_days: 400}
        limits:
          gateways_per_account: 5
          api_requests_per_5_minutes: 7
          secret_stores_per_account: 3
          secrets_per_account: 4
          dynamic_routes_per_gateway: 6
          spend_rules_per_gateway: 2
          tokens_per_account: 8
          percentage_branches: 9
          datasets_per_evaluation: 10
          logs_per_second_per_gateway: 0
          log_rows_per_gateway: 12000
          log_entry_size: 2MiB
          log_deletion_rows: 13
          logpush_jobs_per_account: 14
          logpush_entry_size: 3MiB
          metadata_entries: 15
          cacheable_request: 4MiB
          cache_ttl: 2h
          retry_attempts: 16
          retry_delay: 17s
        secrets:
          references: [env:KEY_*, 'file:/run/secrets/*']
          refresh_interval: 90s
          vault: {address: 'https://vault:8200/', token_file: token, namespace: team}
          master_key_file: /keys/master
        guardrails: {endpoint: 'http://guard/v1/', model: llama-guard, timeout: 750ms, api_key_file: guard.key}
        process: {user: nobody}
        log: {level: debug, format: text, requests: on}
        providers: {openai: {base_url: 'http://127.0.0.1:9'}}
        prices: {file: prices.json}
        workers_ai: {account_id: abc}
        declarations: {file: /nowhere/fleet.yaml, prune: true, account_id: 0123456789abcdef0123456789abcdef}
        """

    @Test("a worker's settings survive the way to the worker")
    func worker() throws {
        var worker = try load(yaml: Self.yaml).worker(redisURL: Secret("unix:/run/redis.sock?db=1"))
        worker.priceList = Array(repeating: 0x20, count: 300_000)
        worker.tls = TLSIdentity(certificateChain: [1, 2], privateKey: Secret([3]))
        #expect(worker.maxRequestBody == 1 << 20)
        #expect(worker.spoolLimit == 1 << 30)
        #expect(worker.limits.logEntry == 2 << 20)
        #expect(worker.limits.metadataEntries == 15)
        #expect(worker.limits.cacheableRequest == 4 << 20)
        #expect(worker.limits.cacheTTL == 7200)
        #expect(worker.limits.retryAttempts == 16)
        #expect(worker.limits.retryDelay == 17_000)
        #expect(worker.redis == RedisEndpoint(address: .unix(path: "/run/redis.sock"), database: 1))
        #expect(worker.redisUnavailable == .refuse)
        #expect(worker.cacheMaxEntry == 2 << 20)
        #expect(worker.coalescing == .off)
        #expect(worker.providers.map(\.baseURL) == ["http://127.0.0.1:9"])
        #expect(worker.egressCAFile == "/ca.pem")
        #expect(worker.egressAllowsPrivateAddresses)
        #expect(worker.mediaFetching == .off)
        #expect(worker.trustedProxies == ["10.0.0.0/8"])
        #expect(worker.workersAIAccount == "abc")
        #expect(worker.logLevel == "debug")
        #expect(worker.logFormat == "text")
        #expect(worker.accessLog == .on)
        #expect(WorkerSettings(decoding: worker.encoded()) == worker)
    }

    @Test("control's settings survive the way to control")
    func control() throws {
        let settings = try load(yaml: Self.yaml)
        let credentials = NodeCredentialsFixture.make(settings)
        var control = settings.control(
            postgresURL: Secret("postgres:///aigatewayd?host=/run"), redisURL: Secret("redis://:pw@localhost/2"),
            credentials: credentials, environment: ["KEY_A": "a=b", "KEY_B": ""], now: Instant(microseconds: 9)
        )
        // A file that cannot be read is told on, and stops nobody.
        let problem = try #require(control.declarations?.problem)
        #expect(problem.contains("/nowhere/fleet.yaml cannot be read"))
        control.declarations?.content = Array(repeating: 0x20, count: 300_000)
        control.tls = TLSIdentity(certificateChain: [1, 2], privateKey: Secret([3]))
        let read = try #require(ControlSettings(decoding: control.encoded()))
        #expect(read.tls == control.tls)
        #expect(read.declarations == control.declarations)
        #expect(read.declarations?.prunes == true && read.declarations?.readAt == 9)
        #expect(read.declarations?.account == "0123456789abcdef0123456789abcdef")
        #expect(read.stateDirectory == "/srv/var")
        #expect(read.postgresURL.reveal() == "postgres:///aigatewayd?host=/run")
        #expect(read.redis?.password?.reveal() == "pw")
        #expect(read.redis?.database == 2)
        #expect(read.account == credentials.account)
        #expect(read.token.reveal() == credentials.token.reveal())
        #expect(read.dataURL == "https://127.0.0.1:1")
        #expect(read.limits.gatewaysPerAccount == 5)
        #expect(read.limits.apiRequestsPerFiveMinutes == 7)
        #expect(read.limits.secretStoresPerAccount == 3)
        #expect(read.limits.secretsPerAccount == 4)
        #expect(read.limits.dynamicRoutesPerGateway == 6)
        #expect(read.limits.spendRulesPerGateway == 2)
        #expect(read.limits.tokensPerAccount == 8)
        #expect(read.limits.percentageBranches == 9)
        #expect(read.limits.datasetsPerEvaluation == 10)
        #expect(read.limits.logsPerSecond == 0)
        #expect(read.limits.logRowsPerGateway == 12_000)
        #expect(read.limits.logDeletionRows == 13)
        #expect(read.limits.logpushJobsPerAccount == 14)
        #expect(read.limits.logpushEntry == 3 << 20)
        #expect(read.limits == settings.limits)
        #expect(read.secretReferences == ["env:KEY_*", "file:/run/secrets/*"])
        #expect(read.secretEnvironment.mapValues { $0.reveal() } == ["KEY_A": "a=b", "KEY_B": ""])
        #expect(read.secretRefreshMilliseconds == 90_000)
        #expect(read.vaultAddress == "https://vault:8200")
        #expect(read.vaultTokenFile == "/srv/token")
        #expect(read.vaultNamespace == "team")
        #expect(
            Set(read.ownFiles).isSuperset(of: [
                "/keys/master", "/keys/master.new", "/srv/var/credentials.json", "/srv/k.pem", "/srv/token",
                "/srv/guard.key",
            ]))
        #expect(read.ownFiles.contains { $0.hasSuffix(".yaml") }, "the configuration file may hold passwords")
        #expect(!read.ownFiles.contains("/c.pem"))
        #expect(read.logQueue == 1 << 20)
        #expect(read.spoolLimit == 1 << 30)
        #expect(read.logRetentionDays == 400)
        #expect(read.guardrailsEndpoint == "http://guard/v1")
        #expect(read.guardrailsModel == "llama-guard")
        #expect(read.guardrailsTimeoutMilliseconds == 750)
        #expect(read.egressAllowsPrivateAddresses)
        #expect(read.logLevel == "debug")
        #expect(read.spoolDirectory == "/srv/var/spool")
        #expect(read.encoded() == control.encoded())
    }

    @Test("control names the data port by its public URL")
    func publicURL() throws {
        let settings = try load(yaml: "data: {public_url: 'https://ai.example.com/gw'}")
        let control = settings.control(
            postgresURL: Secret("postgres://h"), redisURL: Secret("redis://h"),
            credentials: NodeCredentialsFixture.make(settings)
        )
        #expect(control.dataURL == "https://ai.example.com/gw")
    }

    @Test("damaged bytes are no settings")
    func damage() throws {
        let settings = try load()
        var bytes = settings.control(
            postgresURL: Secret("postgres://h"), redisURL: Secret("redis://h"),
            credentials: NodeCredentialsFixture.make(settings)
        ).encoded()
        bytes.moveWriterIndex(to: bytes.writerIndex - 1)
        #expect(ControlSettings(decoding: bytes) == nil)
        #expect(ControlSettings(decoding: ByteBuffer()) == nil)
    }

    @Test("the supervisor is told sockets, counts and which stores are its own")
    func supervisor() throws {
        let supervisor = try load(yaml: Self.yaml, environment: ["AIGATEWAYD_POSTGRES_URL": "postgres://h/d"])
            .supervisor
        #expect(supervisor.dataListen.map(\.description) == ["127.0.0.1:1", "unix:/run/a.sock"])
        #expect(supervisor.workerCount == 2)
        #expect(supervisor.drainTimeout == .seconds(300))
        #expect(supervisor.processUser == "nobody")
        #expect(supervisor.postgres == .external)
        #expect(supervisor.redis == .embedded)
    }
}

/// Credentials as a test needs them.
enum NodeCredentialsFixture {
    static func make(_ settings: DaemonSettings) -> NodeCredentials {
        NodeCredentials(
            account: "0123456789abcdef0123456789abcdef", token: Secret("aig_0123456789abcdef"),
            dataURL: settings.dataURL, controlURL: settings.controlURL, freshness: .known
        )
    }
}
