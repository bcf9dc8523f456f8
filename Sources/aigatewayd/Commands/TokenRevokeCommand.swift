import ArgumentParser
import ControlPlane
import GatewayCore

/// `aigatewayd token revoke`: takes a token out of use for good.
struct TokenRevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Take a token out of use; workers refuse it within a second."
    )

    @Argument(help: "The token's id, as shown by 'token list'.") var id: String
    @Option(help: "Refuse unless the token belongs to this account.") var account: String?
    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let account = try TokenCommand.account(account)
        let tokens = try TokenCommand.administration(options).tokens
        do throws(ControlError) {
            _ = try await tokens.revoke(TokenID(id), of: account)
            print("revoked \(id)")
        } catch {
            throw TokenCommand.failure(error)
        }
    }
}
