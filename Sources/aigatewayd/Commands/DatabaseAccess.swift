import ArgumentParser
import Foundation
import GatewayCore
import PostgresStore
import Settings

/// How a command reaches the node's database: the configured one, else the embedded one of a running daemon.
struct DatabaseAccess {
    let options: PostgresOptions

    init(_ settings: DaemonSettings) throws {
        if let url = settings.postgresURL {
            options = PostgresOptions(url: url.reveal())
            return
        }
        let file = CredentialsFile(stateDirectory: settings.stateDirectory)
        do {
            guard let url = try file.read()?.postgresURL else {
                throw ExitStatus.unavailable.because(
                    "no database: postgres.url is not set, and no daemon with an embedded one has run in "
                        + settings.stateDirectory
                )
            }
            options = PostgresOptions(url: url.reveal())
        } catch let error as SettingsError {
            throw ExitStatus.configuration.because(error.message)
        }
    }

    /// The path of this program's file.
    static var executable: String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    }
}
