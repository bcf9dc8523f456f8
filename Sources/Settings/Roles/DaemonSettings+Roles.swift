package import GatewayCore

extension DaemonSettings {
    /// The supervisor's part.
    package var supervisor: SupervisorSettings {
        SupervisorSettings(
            dataListen: dataListen, controlListen: controlListen, workerCount: workerCount,
            drainTimeout: drainTimeout, stateDirectory: stateDirectory, processUser: processUser,
            postgres: postgresURL == nil ? .embedded : .external, redis: redisURL == nil ? .embedded : .external
        )
    }

    /// A worker's part.
    /// - Parameter redisURL: of the embedded server, or the configured one.
    package func worker(redisURL: Secret<String>) -> WorkerSettings {
        var worker = WorkerSettings(stateDirectory: stateDirectory)
        worker.maxRequestBody = maxRequestBody
        worker.limits = limits
        worker.spoolLimit = spoolLimit
        worker.redis = RedisURL.endpoint(redisURL.reveal())
        worker.redisUnavailable = redisUnavailable
        worker.redisTimeout = redisTimeout
        worker.cacheMaxEntry = cache.maxEntry
        worker.coalescing = cache.coalescing
        worker.providers = providers
        worker.egressCAFile = egressCAFile
        worker.egressAllowsPrivateAddresses = egressAllowsPrivateAddresses
        worker.mediaFetching = mediaFetching
        worker.trustedProxies = trustedProxies.map(\.description)
        worker.workersAIAccount = workersAIAccount
        worker.logLevel = log.level
        worker.logFormat = log.format
        worker.accessLog = log.requests
        return worker
    }

    /// Control's part.
    /// - Parameters:
    ///   - postgresURL: of the embedded server, or the configured one.
    ///   - redisURL: likewise.
    ///   - environment: variables to which secrets may point.
    ///   - now: when the settings were read.
    package func control(
        postgresURL: Secret<String>, redisURL: Secret<String>, credentials: NodeCredentials,
        environment: [String: String] = [:], now: Instant = Instant(microseconds: 0)
    ) -> ControlSettings {
        var control = ControlSettings(
            stateDirectory: stateDirectory, postgresURL: postgresURL, redisURL: redisURL, account: credentials.account
        )
        control.token = credentials.token
        control.dataURL = publicURL?.description ?? credentials.dataURL
        control.controlURL = credentials.controlURL
        control.limits = limits
        control.secretReferences = secrets.references
        control.secretEnvironment = environment.mapValues { Secret($0) }
        control.secretRefreshMilliseconds = Int(secrets.refreshInterval / .milliseconds(1))
        control.vaultAddress = secrets.vaultAddress?.description
        control.vaultTokenFile = secrets.vaultTokenFile
        control.vaultNamespace = secrets.vaultNamespace
        control.ownFiles = ownFiles
        control.logQueue = logQueue
        control.spoolLimit = spoolLimit
        control.logRetentionDays = logRetentionDays
        control.pricesFile = pricesFile
        control.declarations = declarations.map { Self.read($0, now) }
        control.egressCAFile = egressCAFile
        control.egressAllowsPrivateAddresses = egressAllowsPrivateAddresses
        control.guardrailsEndpoint = guardrails.endpoint?.description
        control.guardrailsModel = guardrails.model
        control.guardrailsPromptInjectionModel = guardrails.promptInjectionModel
        control.guardrailsAPIKeyFile = guardrails.apiKeyFile
        control.guardrailsTimeoutMilliseconds = Int(guardrails.timeout / .milliseconds(1))
        control.logLevel = log.level
        control.logFormat = log.format
        return control
    }

    /// A file that cannot be read keeps nobody from serving: control says so.
    private static func read(_ declarations: Declarations, _ now: Instant) -> ControlSettings.Declarations {
        var file = ControlSettings.Declarations(path: declarations.file)
        file.prunes = declarations.prunes
        file.account = declarations.account
        file.readAt = Int(now.microseconds)
        do throws(SettingsError) {
            file.content = try DeclarationsFile.read(declarations.file)
        } catch {
            file.problem = error.message
        }
        return file
    }

    /// Files that hold secrets of the daemon itself, wherever the operator put them.
    private var ownFiles: [String] {
        let masterKey = MasterKeyFile.path(self)
        return [
            masterKey, masterKey + ".new", CredentialsFile(stateDirectory: stateDirectory).path, configurationFile,
            dataTLS?.privateKey, controlTLS?.privateKey, secrets.vaultTokenFile, guardrails.apiKeyFile,
        ].compactMap(\.self)
    }
}
