import Configuration
import Foundation
import GatewayCore

/// Turns the merged texts into typed settings and checks what concerns more than one key.
struct SettingsAssembly {
    let reader: ConfigReader
    let input: SettingsInput
    /// Keys that any source other than the defaults sets.
    let chosenProviderKeys: [String]

    func settings() throws(SettingsError) -> DaemonSettings {
        let stateDirectory = try absolute(required("state_directory"))
        return DaemonSettings(
            dataListen: try listen("data.listen"),
            dataTLS: try tls("data.tls"),
            publicURL: text("data.public_url").flatMap { EndpointURL($0, schemes: ["http", "https"]) },
            trustedProxies: list("data.trusted_proxies").compactMap { NetworkRange($0) },
            maxRequestBody: try value("data.max_request_body", SizeText.bytes),
            controlListen: try listen("control.listen"),
            controlTLS: try tls("control.tls"),
            workerCount: try value("workers.count", Self.workerCount),
            drainTimeout: text("workers.drain_timeout").flatMap(DurationText.duration),
            stateDirectory: stateDirectory,
            postgresURL: text("postgres.url").map { Secret($0) },
            redisURL: text("redis.url").map { Secret($0) },
            redisUnavailable: try value("redis.when_unavailable") { RedisUnavailablePolicy(rawValue: $0) },
            redisTimeout: try redisTimeout(),
            cache: try cache(),
            masterKeyFile: try path("secrets.master_key_file"),
            secrets: try secrets(),
            providers: try providers(),
            processUser: text("process.user"),
            egressAllowsPrivateAddresses: text("egress.allow_private_addresses") == "true",
            mediaFetching: text("egress.fetch_media") == "false" ? .off : .on,
            egressCAFile: try path("egress.ca_file"),
            guardrails: DaemonSettings.Guardrails(
                endpoint: text("guardrails.endpoint").flatMap { EndpointURL($0, schemes: ["http", "https"]) },
                model: text("guardrails.model"),
                promptInjectionModel: text("guardrails.prompt_injection_model"),
                apiKeyFile: try path("guardrails.api_key_file"),
                timeout: try value("guardrails.timeout", DurationText.duration)
            ),
            limits: try limits(),
            logQueue: try value("logs.queue", SizeText.bytes),
            spoolLimit: try value("logs.spool_max", SizeText.bytes),
            logRetentionDays: try value("logs.retention_days") { Int($0) },
            bootstrapAccount: text("bootstrap.account_id").map { AccountID($0) },
            bootstrapToken: text("bootstrap.api_token").map { Secret($0) },
            workersAIAccount: text("workers_ai.account_id"),
            pricesFile: try path("prices.file"),
            declarations: try path("declarations.file").map { file in
                DaemonSettings.Declarations(
                    file: file, prunes: text("declarations.prune") == "true",
                    account: text("declarations.account_id").map { AccountID($0) }
                )
            },
            log: DaemonSettings.Log(
                level: try required("log.level"),
                format: text("log.format") ?? (input.logTarget == .terminal ? "text" : "json"),
                requests: try value("log.requests") { AccessLogPolicy(rawValue: $0) }
            )
        )
    }

    // MARK: One key

    private func text(_ name: String) -> String? {
        reader.string(forKey: ConfigKey(name.split(separator: ".").map(String.init)))
    }

    private func list(_ name: String) -> [String] {
        reader.stringArray(forKey: ConfigKey(name.split(separator: ".").map(String.init))) ?? []
    }

    private func required(_ name: String) throws(SettingsError) -> String {
        guard let text = text(name) else { throw SettingsError("\(name) has no value") }
        return text
    }

    private func value<T>(_ name: String, _ parse: (String) -> T?) throws(SettingsError) -> T {
        let text = try required(name)
        guard let value = parse(text) else { throw SettingsError("\(name): \"\(text)\" is not accepted") }
        return value
    }

    private func path(_ name: String) throws(SettingsError) -> String? {
        guard let text = text(name) else { return nil }
        return try absolute(text)
    }

    private func absolute(_ path: String) throws(SettingsError) -> String {
        let joined = path.hasPrefix("/") ? path : input.workingDirectory + "/" + path
        var parts: [Substring] = []
        for part in joined.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    private static func workerCount(_ text: String) -> Int? {
        text == "auto" ? min(max(ProcessInfo.processInfo.activeProcessorCount, 1), 32) : Int(text)
    }

    private func redisTimeout() throws(SettingsError) -> Duration {
        let timeout = try value("redis.timeout", DurationText.duration)
        guard (.milliseconds(5) ... .seconds(10)).contains(timeout) else {
            throw SettingsError("redis.timeout: 5ms to 10s are accepted")
        }
        return timeout
    }

    private func cache() throws(SettingsError) -> DaemonSettings.Cache {
        let size = try value("cache.max_entry_size", SizeText.bytes)
        guard size <= DaemonSettings.Cache.largestEntry else {
            throw SettingsError("cache.max_entry_size: at most 32MiB are accepted")
        }
        return DaemonSettings.Cache(
            maxEntry: size, coalescing: text("cache.coalescing") == "false" ? .off : .on
        )
    }

    private func limits() throws(SettingsError) -> ProductLimits {
        var limits = ProductLimits()
        for limit in SettingTable.limits {
            let number = try value(limit.key.name, limit.value)
            guard limit.range.contains(number) else {
                throw SettingsError("\(limit.key.name): \(limit.span) are accepted")
            }
            limits[keyPath: limit.path] = number
        }
        return limits
    }

    // MARK: More than one key

    private func listen(_ name: String) throws(SettingsError) -> [PortAddress] {
        let addresses = list(name).compactMap { PortAddress($0) }
        if addresses.isEmpty { throw SettingsError("\(name): at least one address is needed") }
        if let other = ["data.listen", "control.listen"].first(where: { $0 != name }),
            let shared = addresses.first(where: { list(other).compactMap { PortAddress($0) }.contains($0) })
        {
            throw SettingsError("\(name): \(shared) is also an address of \(other)")
        }
        if Set(addresses).count != addresses.count { throw SettingsError("\(name): an address is given twice") }
        return addresses
    }

    private func tls(_ group: String) throws(SettingsError) -> DaemonSettings.TLSFiles? {
        let certificate = try path(group + ".certificate")
        let privateKey = try path(group + ".private_key")
        switch (certificate, privateKey) {
        case (nil, nil): return nil
        case (let certificate?, let privateKey?):
            return DaemonSettings.TLSFiles(certificate: certificate, privateKey: privateKey)
        case (nil, _): throw SettingsError("\(group).certificate is needed when \(group).private_key is set")
        case (_, nil): throw SettingsError("\(group).private_key is needed when \(group).certificate is set")
        }
    }

    private func secrets() throws(SettingsError) -> DaemonSettings.Secrets {
        let secrets = DaemonSettings.Secrets(
            references: list("secrets.references"),
            refreshInterval: try value("secrets.refresh_interval", DurationText.duration),
            vaultAddress: text("secrets.vault.address").flatMap { EndpointURL($0, schemes: ["http", "https"]) },
            vaultTokenFile: try path("secrets.vault.token_file"),
            vaultNamespace: text("secrets.vault.namespace")
        )
        if secrets.refreshInterval < .milliseconds(100) {
            throw SettingsError("secrets.refresh_interval: at least 100ms is needed")
        }
        if (secrets.vaultAddress == nil) != (secrets.vaultTokenFile == nil) {
            throw SettingsError("secrets.vault.address and secrets.vault.token_file go together")
        }
        return secrets
    }

    /// Only providers that some source mentions; the others keep what is built in.
    private func providers() throws(SettingsError) -> [WorkerSettings.ProviderOverride] {
        let mentioned = Set(
            chosenProviderKeys.compactMap { key -> String? in
                let parts = key.split(separator: ".")
                return parts.count == 3 && parts[0] == "providers" ? String(parts[1]) : nil
            }
        )
        return mentioned.sorted().map { slug in
            var entry = WorkerSettings.ProviderOverride(provider: ProviderID(slug))
            let prefix = "providers.\(slug)."
            entry.baseURL = text(prefix + "base_url").flatMap {
                EndpointURL($0, schemes: ["http", "https"])?.description
            }
            entry.webSocketURL = text(prefix + "websocket_url")
                .flatMap { EndpointURL($0, schemes: ["ws", "wss"])?.description }
            entry.compatUpstream =
                chosenProviderKeys.contains(prefix + "compat_upstream")
                ? text(prefix + "compat_upstream") : nil
            entry.tokenURL = text(prefix + "token_url").flatMap {
                EndpointURL($0, schemes: ["http", "https"])?.description
            }
            entry.enabled = text(prefix + "enabled") != "false"
            return entry
        }
    }
}
