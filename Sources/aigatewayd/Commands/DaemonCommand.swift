import ArgumentParser

/// `aigatewayd`: the daemon and the commands of its operator.
struct DaemonCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "aigatewayd",
        abstract: "A self-hosted AI gateway that speaks Cloudflare's AI Gateway protocol.",
        discussion: """
            Settings come from the command line, environment variables (AIGATEWAYD_ and the key in upper snake case), \
            the configuration file and built-in defaults, in this order. Without any setting the daemon runs on \
            embedded stores in ./var.

            Exit status: 0 success, 64 wrong usage, 69 a service is unavailable, 70 internal failure, 78 configuration.
            """,
        subcommands: [
            ServeCommand.self, CheckCommand.self, MigrateCommand.self, TokenCommand.self, SecretCommand.self,
            ImportCommand.self, ExportCommand.self, CreditCommand.self,
            PricesCommand.self, VersionCommand.self, ControlCommand.self,
        ],
        defaultSubcommand: ServeCommand.self
    )
}
