import ArgumentParser
import Foundation
import GatewayCore
import Glibc
import Providers
import Settings

/// Options of every command that reads the settings.
struct SettingsOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Configuration file (default: $AIGATEWAYD_CONFIG, else \(SettingTable.standardConfigFile) if it exists).",
            valueName: "file"
        )
    )
    var config: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Any setting, as in --set workers.count=4; repeatable.", valueName: "key=value")
    )
    var set: [String] = []

    @Option(name: .long, help: ArgumentHelp("Same as --set data.listen=…", valueName: "addresses"))
    var dataListen: String?

    @Option(name: .long, help: ArgumentHelp("Same as --set control.listen=…", valueName: "addresses"))
    var controlListen: String?

    @Option(name: .long, help: ArgumentHelp("Same as --set workers.count=…", valueName: "count"))
    var workers: String?

    @Option(name: .long, help: ArgumentHelp("Same as --set state_directory=…", valueName: "directory"))
    var stateDirectory: String?

    @Option(name: .long, help: ArgumentHelp("Same as --set log.level=…", valueName: "level"))
    var logLevel: String?

    /// What the options say, for reading the settings now or again.
    var input: SettingsInput {
        var assignments = set
        for (key, value) in [
            ("data.listen", dataListen), ("control.listen", controlListen), ("workers.count", workers),
            ("state_directory", stateDirectory), ("log.level", logLevel),
        ] {
            if let value { assignments.append("\(key)=\(value)") }
        }
        return SettingsInput(
            assignments: assignments, environment: ProcessInfo.processInfo.environment, configFile: config,
            providers: ProviderRegistry.builtIn.slugs.map { ProviderID($0) },
            logTarget: isatty(STDERR_FILENO) == 1 ? .terminal : .other,
            workingDirectory: FileManager.default.currentDirectoryPath
        )
    }

    /// Reads the settings; a mistake in them ends the command with status 78.
    func load() throws -> DaemonSettings {
        do {
            return try Self.read(input)
        } catch {
            throw ExitStatus.configuration.because(error.message)
        }
    }

    /// Reads the settings and asks the providers' own rules about their addresses.
    static func read(_ input: SettingsInput) throws(SettingsError) -> DaemonSettings {
        let settings = try SettingsLoader.load(input)
        do throws(GatewayError) {
            _ = try ProviderRegistry.builtIn.applying(settings.providers)
        } catch {
            throw SettingsError(error.message ?? error.detail)
        }
        return settings
    }
}
