import ArgumentParser
import ControlPlane
import Foundation
import GatewayCore
import PostgresStore
import RedisStore
import Settings
import Supervision

/// `aigatewayd check`: says what `serve` would run, or what is wrong.
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Read the configuration, reach PostgreSQL and Redis, and print what would run.",
        discussion: "Exit status 78 names the first mistake; 69 means that a store cannot be reached."
    )

    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let input = options.input
        let settings = try options.load()
        try checkFiles(settings)
        print("configuration   \(SettingsLoader.configFile(input) ?? "no file")")
        print("data port       \(settings.dataListen.map(\.description).joined(separator: ", "))")
        print("control port    \(settings.controlListen.map(\.description).joined(separator: ", "))")
        print("workers         \(settings.workerCount)")
        if let file = settings.declarations?.file { print("declarations    \(try declarations(settings, file))") }
        print("state directory \(settings.stateDirectory)")
        print("postgres        \(try await postgres(settings))")
        print("redis           \(try await redis(settings))")
        print("the configuration is fine")
    }

    /// Files that the settings name have to be readable now, not at the first request that needs them.
    private func checkFiles(_ settings: DaemonSettings) throws {
        let named: [(String, String?)] = [
            ("egress.ca_file", settings.egressCAFile),
            ("guardrails.api_key_file", settings.guardrails.apiKeyFile),
            ("secrets.vault.token_file", settings.secrets.vaultTokenFile),
        ]
        for (key, path) in named {
            if let path, !FileManager.default.isReadableFile(atPath: path) {
                throw ExitStatus.configuration.because("\(key): \(path) cannot be read")
            }
        }
        do throws(SettingsError) {
            _ = try PriceListFile.load(settings)
            _ = try settings.dataTLS?.identity("data.tls")
            _ = try settings.controlTLS?.identity("control.tls")
            if settings.masterKeyFile != nil { _ = try MasterKeyFile.load(settings) }
        } catch {
            throw ExitStatus.configuration.because(error.message)
        }
    }

    /// What the file of declarations holds; whether its secrets exist is found out when it is applied.
    private func declarations(_ settings: DaemonSettings, _ file: String) throws -> String {
        do {
            let ending: DeclarationReader.Ending = settings.declarations?.prunes == true ? .marked : .optional
            let found = try DeclarationAccess.reader(settings).read(try DeclarationsFile.read(file), ending)
            return "\(file): \(found.gatewayCount) gateways, \(found.customProviderCount) custom providers"
        } catch let error as SettingsError {
            throw ExitStatus.configuration.because("declarations.file: \(error.message)")
        } catch let failure as DeclarationFailure {
            throw DeclarationAccess.failure(failure, "declarations.file: \(file)")
        }
    }

    private func postgres(_ settings: DaemonSettings) async throws -> String {
        guard let url = settings.postgresURL else { return "embedded" }
        do throws(PostgresError) {
            return "PostgreSQL " + (try await ServerVersion.read(PostgresOptions(url: url.reveal())))
        } catch {
            throw ExitStatus.unavailable.because("postgres.url: \(error)")
        }
    }

    private func redis(_ settings: DaemonSettings) async throws -> String {
        guard let url = settings.redisURL else { return "embedded" }
        guard let endpoint = RedisURL.endpoint(url.reveal()) else {
            throw ExitStatus.configuration.because("redis.url: not a Redis URL")
        }
        do throws(RedisStoreError) {
            try await RedisProbe.ping(endpoint, caFile: settings.egressCAFile)
            return "reached"
        } catch {
            throw ExitStatus.unavailable.because("redis.url: \(error)")
        }
    }
}
