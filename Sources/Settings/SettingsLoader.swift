import Configuration
import Foundation
import GatewayCore

/// Reads all sources of settings into `DaemonSettings`.
///
/// Precedence: command line, environment, configuration file, defaults. Every source is checked whole, also where a
/// stronger one wins, so that a mistake is found before it matters.
package enum SettingsLoader {
    package static func load(_ input: SettingsInput) throws(SettingsError) -> DaemonSettings {
        let table = SettingTable.keys + SettingTable.providerSettings(input.providers)
        let flags = try FlagSource(providers: input.providers).layer(input.assignments)
        let environment = try EnvironmentSource(providers: input.providers).layer(input.environment)
        let file = try fileLayer(input)
        var standard = SettingLayer()
        for key in table {
            guard let text = key.standard else { continue }
            try standard.add(key, SettingLayer.elements(text, of: key), origin: "built-in default")
        }
        let reader = ConfigReader(providers: [
            flags.provider(named: "command line", table: table),
            environment.provider(named: "environment", table: table),
            file.provider(named: "file", table: table),
            standard.provider(named: "defaults", table: table),
        ])
        var settings = try SettingsAssembly(
            reader: reader, input: input, chosenProviderKeys: [flags, environment, file].flatMap(\.values.keys)
        ).settings()
        settings.configurationFile = configFile(input).map { path in
            path.hasPrefix("/") ? path : input.workingDirectory + "/" + path
        }
        return settings
    }

    /// The configuration file that applies; nil when none is named and the standard one does not exist.
    package static func configFile(_ input: SettingsInput) -> String? {
        if let path = input.configFile { return path }
        if let path = input.environment[SettingTable.environmentConfigFile], !path.isEmpty { return path }
        let standard = SettingTable.standardConfigFile
        return FileManager.default.fileExists(atPath: standard) ? standard : nil
    }

    private static func fileLayer(_ input: SettingsInput) throws(SettingsError) -> SettingLayer {
        guard let path = configFile(input) else { return SettingLayer() }
        let bytes = try PlainFile.read(path)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw SettingsError("the configuration file \(path) is not UTF-8")
        }
        return try YAMLSource(path: path, providers: input.providers).layer(text)
    }
}
