import GatewayCore
import Settings
import Testing

@Suite("Where a setting comes from")
struct PrecedenceTests {
    @Test("without any source every setting has its documented default")
    func defaults() throws {
        let settings = try load()
        #expect(settings.dataListen.map(\.description) == ["127.0.0.1:8787"])
        #expect(settings.controlListen.map(\.description) == ["127.0.0.1:8788"])
        #expect(settings.dataTLS == nil)
        #expect(settings.controlTLS == nil)
        #expect(settings.trustedProxies.isEmpty)
        #expect(settings.maxRequestBody == 104_857_600)
        #expect((1...32).contains(settings.workerCount))
        #expect(settings.drainTimeout == nil)
        #expect(settings.stateDirectory == "/srv/var")
        #expect(settings.postgresURL == nil)
        #expect(settings.redisURL == nil)
        #expect(settings.redisUnavailable == .allow)
        #expect(settings.cache.maxEntry == 1 << 20)
        #expect(settings.cache.coalescing == .on)
        #expect(settings.providers.isEmpty)
        #expect(settings.processUser == nil)
        #expect(!settings.egressAllowsPrivateAddresses)
        #expect(settings.guardrails.timeout == .seconds(5))
        #expect(settings.limits == ProductLimits())
        #expect(settings.spoolLimit == 4_294_967_296)
        #expect(settings.bootstrapAccount == nil)
        #expect(settings.log.level == "info")
        #expect(settings.log.format == "json")
        #expect(settings.log.requests == .off)
        #expect(settings.dataURL == "http://127.0.0.1:8787")
        #expect(settings.controlURL == "http://127.0.0.1:8788")
        #expect(settings.supervisor.postgres == .embedded)
        #expect(settings.supervisor.redis == .embedded)
    }

    @Test(
        "a stronger source wins, and a weaker one fills what it leaves out",
        arguments: [
            (nil, nil, nil, "127.0.0.1:8787"), ("10.0.0.1:1", nil, nil, "10.0.0.1:1"),
            ("10.0.0.1:1", "10.0.0.2:2", nil, "10.0.0.2:2"), ("10.0.0.1:1", "10.0.0.2:2", "10.0.0.3:3", "10.0.0.3:3"),
            (nil, "10.0.0.2:2", nil, "10.0.0.2:2"), (nil, nil, "10.0.0.3:3", "10.0.0.3:3"),
            ("10.0.0.1:1", nil, "10.0.0.3:3", "10.0.0.3:3"), (nil, "10.0.0.2:2", "10.0.0.3:3", "10.0.0.3:3"),
        ] as [(String?, String?, String?, String)]
    )
    func precedence(yaml: String?, environment: String?, flag: String?, expected: String) throws {
        let settings = try load(
            yaml: yaml.map { "data:\n  listen: \($0)\nworkers:\n  count: 7\n" },
            environment: environment.map { ["AIGATEWAYD_DATA_LISTEN": $0] } ?? [:],
            assignments: flag.map { ["data.listen=\($0)"] } ?? []
        )
        #expect(settings.dataListen.map(\.description) == [expected])
        if yaml != nil { #expect(settings.workerCount == 7) }
    }

    @Test("a file that AIGATEWAYD_CONFIG names is read, and one named by a flag wins over it")
    func configFile() throws {
        let directory = try TemporaryDirectory()
        let first = try directory.write("workers: {count: 2}\n", to: "first.yaml")
        let second = try directory.write("workers: {count: 3}\n", to: "second.yaml")
        var input = SettingsInput(
            environment: ["AIGATEWAYD_CONFIG": first], providers: [], workingDirectory: "/"
        )
        #expect(try SettingsLoader.load(input).workerCount == 2)
        input.configFile = second
        #expect(try SettingsLoader.load(input).workerCount == 3)
        input.configFile = directory.path + "/missing.yaml"
        #expect(throws: SettingsError.self) { try SettingsLoader.load(input) }
    }

    private let pairs: Set<String> = ["secrets.vault.address", "secrets.vault.token_file"]

    @Test("every key can be set in each source under the name the table gives it")
    func everyKey() throws {
        let values: [String: String] = [
            "data.listen": "127.0.0.1:9", "control.listen": "127.0.0.1:10", "data.trusted_proxies": "10.0.0.0/8",
            "workers.count": "3", "log.level": "debug", "log.format": "text", "bootstrap.api_token": "0123456789abcdef",
            "bootstrap.account_id": "0123456789abcdef0123456789abcdef",
            "declarations.account_id": "0123456789abcdef0123456789abcdef", "postgres.url": "postgres://localhost/x",
            "redis.url": "redis://localhost", "secrets.references": "env:KEY_*",
        ]
        // Of these, one alone is refused: RefusalTests.
        for key in SettingTable.keys where !key.name.contains("tls") && !pairs.contains(key.name) {
            let value = values[key.name] ?? key.standard.flatMap { $0.isEmpty ? nil : $0 } ?? sample(key.kind)
            #expect(throws: Never.self, "\(key.name) in the environment") {
                try load(environment: [key.environmentName: value])
            }
            let parts = key.name.split(separator: ".")
            let yaml =
                parts.enumerated().map { index, part in
                    String(repeating: "  ", count: index) + part + ":"
                }.joined(separator: "\n") + " '\(value)'\n"
            #expect(throws: Never.self, "\(key.name) in YAML") { try load(yaml: yaml) }
        }
    }

    private func sample(_ kind: SettingKind) -> String {
        switch kind {
        case .url: "https://example.com/v1"
        default: "word"
        }
    }

    @Test("lists are taken from YAML sequences, from single values and from comma-separated texts")
    func lists() throws {
        let expected = ["127.0.0.1:8787", "[::1]:8787", "unix:/run/aig.sock"]
        let sequence = "data:\n  listen:\n    - 127.0.0.1:8787\n    - '[::1]:8787'\n    - unix:/run/aig.sock\n"
        #expect(try load(yaml: sequence).dataListen.map(\.description) == expected)
        let text = "127.0.0.1:8787, [::1]:8787 ,unix:/run/aig.sock"
        #expect(
            try load(environment: ["AIGATEWAYD_DATA_LISTEN": text]).dataListen.map(\.description) == expected)
        #expect(try load(assignments: ["data.listen=" + text]).dataListen.map(\.description) == expected)
    }

    @Test("an empty value in YAML leaves the default")
    func emptyValue() throws {
        #expect(try load(yaml: "data:\n  listen:\nworkers: ~\n").dataListen.map(\.description) == ["127.0.0.1:8787"])
    }

    @Test("a provider's addresses are set in YAML and in the environment, whatever hyphens its slug has")
    func providers() throws {
        let settings = try load(
            yaml: "providers:\n  openai:\n    base_url: http://127.0.0.1:9/openai/\n  sandbox:\n    enabled: false\n",
            environment: [
                "AIGATEWAYD_PROVIDERS_GOOGLE_AI_STUDIO_WEBSOCKET_URL": "wss://example.com",
                "AIGATEWAYD_PROVIDERS_GOOGLE_AI_STUDIO_COMPAT_UPSTREAM": "openai",
                "AIGATEWAYD_PROVIDERS_GOOGLE_AI_STUDIO_TOKEN_URL": "http://127.0.0.1:9/token/",
            ]
        )
        var google = WorkerSettings.ProviderOverride(provider: "google-ai-studio")
        google.webSocketURL = "wss://example.com"
        google.compatUpstream = "openai"
        google.tokenURL = "http://127.0.0.1:9/token"
        var openAI = WorkerSettings.ProviderOverride(provider: "openai")
        openAI.baseURL = "http://127.0.0.1:9/openai"
        var sandbox = WorkerSettings.ProviderOverride(provider: "sandbox")
        sandbox.enabled = false
        #expect(settings.providers == [google, openAI, sandbox])
    }

    @Test("variables that a container platform injects for a service of our name are no settings")
    func serviceLinks() throws {
        let environment = [
            "AIGATEWAYD_SERVICE_HOST": "10.1.2.3", "AIGATEWAYD_SERVICE_PORT_DATA": "8787",
            "AIGATEWAYD_PORT": "tcp://10.1.2.3:8787", "AIGATEWAYD_PORT_8787_TCP_ADDR": "10.1.2.3",
        ]
        #expect(throws: Never.self) { try load(environment: environment) }
    }
}
