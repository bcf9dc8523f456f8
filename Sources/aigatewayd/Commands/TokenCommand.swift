import ArgumentParser
import ControlPlane
import Foundation
import GatewayCore
import PostgresStore
import Settings

/// `aigatewayd token`: API tokens from a shell.
struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Create, list and revoke API tokens.",
        subcommands: [TokenCreateCommand.self, TokenListCommand.self, TokenRevokeCommand.self]
    )

    /// The use cases over the node's database, and the account meant when none is named.
    static func administration(
        _ options: SettingsOptions
    ) throws -> (tokens: TokenAdministration, account: AccountID?) {
        let settings = try options.load()
        let pool = PostgresPool(try DatabaseAccess(settings).options, size: 1)
        let file = try? CredentialsFile(stateDirectory: settings.stateDirectory).read()
        let tokens = TokenAdministration(
            pool, limitPerAccount: settings.limits.tokensPerAccount, clock: CommandClock()
        )
        return (tokens, settings.bootstrapAccount ?? file?.account)
    }

    /// What a failed use case means for a shell.
    static func failure(_ error: ControlError) -> ExitCode {
        switch error {
        case .invalid(let problems):
            ExitStatus.usage.because(problems.map(\.message).joined(separator: "; "))
        case .notFound: ExitStatus.usage.because("there is no such token in use")
        case .dynamicRoute, .billing, .forbidden, .tooManyReaders:
            ExitStatus.internalFailure.because("this does not concern tokens")
        case .secretsStore: ExitStatus.internalFailure.because("the secrets store refuses")
        case .storeUnavailable: ExitStatus.unavailable.because("PostgreSQL cannot be reached")
        case .internalFailure(let detail): ExitStatus.internalFailure.because(detail)
        }
    }

    static func time(_ instant: Instant?) -> String { instant.map(Timestamp.text) ?? "never" }

    static func account(_ text: String?) throws -> AccountID? {
        guard let text else { return nil }
        guard AccountID.isWellFormed(text.utf8) else {
            throw ValidationError("--account has to be 32 lower-case hexadecimal characters")
        }
        return AccountID(text)
    }
}

/// The machine's clock.
struct CommandClock: WallClock {
    var now: Instant { Instant(microseconds: Int64(Date.now.timeIntervalSince1970 * 1_000_000)) }
    var monotonic: ContinuousClock.Instant { .now }
}
