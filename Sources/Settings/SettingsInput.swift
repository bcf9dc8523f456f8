package import GatewayCore

/// Where settings come from: everything outside of the process that `SettingsLoader` looks at.
package struct SettingsInput: Sendable {
    /// What the process log goes to, which decides its default format.
    package enum LogTarget: Sendable { case terminal, other }

    /// `KEY=VALUE` texts of the command line; they win over everything.
    package var assignments: [String]
    /// The process's environment.
    package var environment: [String: String]
    /// `--config`; nil: `AIGATEWAYD_CONFIG`, else the standard file if it exists.
    package var configFile: String?
    /// Slugs that `providers.<slug>` may name.
    package var providers: [ProviderID]
    package var logTarget: LogTarget
    /// Relative paths start here.
    package var workingDirectory: String

    package init(
        assignments: [String] = [], environment: [String: String], configFile: String? = nil,
        providers: [ProviderID], logTarget: LogTarget = .other, workingDirectory: String
    ) {
        self.assignments = assignments
        self.environment = environment
        self.configFile = configFile
        self.providers = providers
        self.logTarget = logTarget
        self.workingDirectory = workingDirectory
    }
}
