package import GatewayCore

/// Every setting there is: the single list behind parsing, errors, help and documentation.
package enum SettingTable {
    package static let environmentPrefix = "AIGATEWAYD_"
    /// Names the configuration file; not a setting itself.
    package static let environmentConfigFile = "AIGATEWAYD_CONFIG"
    /// Read when no other file is named and this one exists.
    package static let standardConfigFile = "/etc/aigatewayd/aigatewayd.yaml"

    /// Settings with a fixed key, in the order of the manual.
    package static let keys: [SettingKey] = server + limits.map(\.key) + recording

    private static let server: [SettingKey] = [
        SettingKey("data.listen", .listenAddresses, "127.0.0.1:8787", "Addresses of the data port."),
        SettingKey(
            "data.tls.certificate", .path, nil, "PEM file with the data port's certificate chain; none: no TLS."),
        SettingKey("data.tls.private_key", .path, nil, "PEM file with the private key of data.tls.certificate."),
        SettingKey(
            "data.public_url", .url(["http", "https"]), nil,
            "How clients reach the data port, for answers that name it; absent: its own address."),
        SettingKey("data.trusted_proxies", .networks, "", "Networks whose X-Forwarded-For is believed."),
        SettingKey("data.max_request_body", .size, "100MiB", "Larger request bodies are refused with 413."),
        SettingKey("control.listen", .listenAddresses, "127.0.0.1:8788", "Addresses of the control port."),
        SettingKey("control.tls.certificate", .path, nil, "PEM file with the control port's certificate chain."),
        SettingKey("control.tls.private_key", .path, nil, "PEM file with the private key of control.tls.certificate."),
        SettingKey("workers.count", .workerCount, "auto", "Number of proxy workers; auto: one per CPU core."),
        SettingKey("workers.drain_timeout", .durationOrNone, "none", "Longest wait for streams of an outgoing worker."),
        SettingKey(
            "state_directory", .path, "./var",
            "Spool, last good snapshot, generated keys and embedded stores (mode 0700)."
        ),
        SettingKey("postgres.url", .postgresURL, nil, "PostgreSQL database; absent: an embedded server is started."),
        SettingKey("redis.url", .redisURL, nil, "Redis server; absent: an embedded server is started."),
        SettingKey(
            "redis.when_unavailable", .choice(RedisUnavailablePolicy.allCases.map(\.rawValue)), "allow",
            "Whether requests whose limit cannot be checked are let through."
        ),
        SettingKey(
            "redis.timeout", .duration, "20ms", "How long a worker waits for an answer of Redis before it goes on."
        ),
        SettingKey(
            "cache.max_entry_size", .size, "1MiB", "Larger answers are not kept in the cache; at most 32MiB."
        ),
        SettingKey(
            "cache.coalescing", .flag, "true", "Whether equal cacheable requests in flight make one provider call."
        ),
        SettingKey(
            "secrets.master_key_file", .path, nil,
            "File with 32 bytes in base64, readable by its owner only; absent: generated in state_directory."
        ),
        SettingKey(
            "secrets.references", .secretReferences, "",
            "Where secrets may point to: variables, files and Vault paths; * at the end stands for anything."
        ),
        SettingKey("secrets.refresh_interval", .duration, "60s", "Time between two look-ups of a secret from outside."),
        SettingKey(
            "secrets.vault.address", .url(["http", "https"]), nil, "Vault server of vault: references (KV version 2)."),
        SettingKey("secrets.vault.token_file", .path, nil, "File with the token for secrets.vault.address."),
        SettingKey("secrets.vault.namespace", .word, nil, "Namespace in Vault Enterprise."),
        SettingKey(
            "declarations.file", .path, nil,
            "File of gateways, routes, provider configs and custom providers; applied at the start and at SIGHUP."
        ),
        SettingKey(
            "declarations.prune", .flag, "false",
            "Whether what the file's sections do not name is deleted."
        ),
        SettingKey("declarations.account_id", .accountID, nil, "Account of the file; absent: the first account."),
        SettingKey("process.user", .word, nil, "User that front, workers and control run as when started as root."),
        SettingKey(
            "egress.allow_private_addresses", .flag, "false",
            "Whether custom providers may resolve to private or loopback addresses."
        ),
        SettingKey(
            "egress.fetch_media", .flag, "true",
            "Whether images that a request only names are fetched for providers that want them inside it."
        ),
        SettingKey("egress.ca_file", .path, nil, "PEM file with additional roots for upstream TLS."),
        SettingKey(
            "guardrails.endpoint", .url(["http", "https"]), nil,
            "Base URL (…/v1) of an OpenAI-shaped API that serves a Llama-Guard model."
        ),
        SettingKey("guardrails.model", .word, nil, "Model that judges prompts and answers."),
        SettingKey("guardrails.prompt_injection_model", .word, nil, "Model that judges prompts for injection (P1)."),
        SettingKey("guardrails.api_key_file", .path, nil, "File with the key of guardrails.endpoint."),
        SettingKey("guardrails.timeout", .duration, "5s", "Longest wait for a verdict."),
    ]

    private static let recording: [SettingKey] = [
        SettingKey("logs.queue", .size, "8MiB", "Records in memory on their way from the spool into PostgreSQL."),
        SettingKey(
            "logs.spool_max", .size, "4GiB", "Records on disk that wait for PostgreSQL; beyond it they are dropped."),
        SettingKey(
            "logs.retention_days", .number(0...36_500), "0",
            "Days after which logs go, a whole month at a time; 0: they are kept."),
        SettingKey("bootstrap.account_id", .accountID, nil, "First account; absent: generated, see credentials.json."),
        SettingKey("bootstrap.api_token", .apiToken, nil, "First API token; absent: generated, see credentials.json."),
        SettingKey(
            "workers_ai.account_id", .word, nil, "Account in Workers AI's upstream URL; absent: that of the gateway."),
        SettingKey(
            "prices.file", .path, nil,
            "Price list that replaces the built-in one, or extends it; read at the start and at SIGHUP."),
        SettingKey(
            "log.level", .choice(["trace", "debug", "info", "notice", "warning", "error", "critical"]), "info",
            "Least severe messages of the process log on stderr."
        ),
        SettingKey("log.format", .choice(["text", "json"]), nil, "Absent: text on a terminal, else json."),
        SettingKey("log.requests", .choice(AccessLogPolicy.allCases.map(\.rawValue)), "off", "One line per request."),
    ]

    /// What can be set for each provider, below `providers.<slug>.`.
    package static let providerKeys: [SettingKey] = [
        SettingKey(
            "base_url", .url(["http", "https"]), nil,
            "Replaces scheme, host, port and an optional prefix before the canonical upstream path."
        ),
        SettingKey("websocket_url", .url(["ws", "wss"]), nil, "The same for its realtime socket."),
        SettingKey("compat_upstream", .choice(["native", "openai"]), "native", "Which of its surfaces /compat uses."),
        SettingKey(
            "token_url", .url(["http", "https"]), nil,
            "Where service accounts are exchanged for access tokens, for providers that take them."
        ),
        SettingKey("enabled", .flag, "true", "false: requests for it are refused as for an unknown provider."),
    ]

    private static let byName = Dictionary(keys.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    private static let byEnvironmentName = Dictionary(
        keys.map { ($0.environmentName, $0) }, uniquingKeysWith: { first, _ in first }
    )

    /// The setting called `name`, provider settings of the given slugs included.
    package static func key(named name: String, providers: [ProviderID]) -> SettingKey? {
        if let key = byName[name] { return key }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "providers", providers.contains(ProviderID(String(parts[1]))),
            var key = providerKeys.first(where: { $0.name == parts[2] })
        else { return nil }
        key.name = name
        return key
    }

    /// The setting of an environment variable.
    package static func key(environment variable: String, providers: [ProviderID]) -> SettingKey? {
        if let key = byEnvironmentName[variable] { return key }
        return providerSettings(providers).first { $0.environmentName == variable }
    }

    /// Whether some setting lies below `name`, so that a map is expected there.
    package static func isGroup(_ name: String, providers: [ProviderID]) -> Bool {
        if name.isEmpty || name == "providers" { return true }
        if keys.contains(where: { $0.name.hasPrefix(name + ".") }) { return true }
        return providers.contains { name == "providers." + $0.rawValue }
    }

    /// All provider settings of the given slugs.
    package static func providerSettings(_ providers: [ProviderID]) -> [SettingKey] {
        providers.flatMap { provider in
            providerKeys.map { SettingKey("providers.\(provider).\($0.name)", $0.kind, $0.standard, $0.summary) }
        }
    }
}
