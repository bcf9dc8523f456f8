import ArgumentParser
import ControlPlane
import GatewayCore
import PostgresStore

/// `aigatewayd secret list`: one line per secret, never a value.
struct SecretListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List secrets: id, account, name, scopes, value or reference, last change, comment."
    )

    @Option(help: "Only secrets of this account.") var account: String?
    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let account = try TokenCommand.account(account)
        let access = try SecretCommand.Access(options)
        let administration = try access.administration()
        do throws(ControlError) {
            for secret in try await administration.listAll(of: account) {
                print(
                    [
                        secret.id.rawValue, secret.account.rawValue, TokenListCommand.printable(secret.name),
                        secret.scopes.joined(separator: ","), secret.kind.rawValue,
                        TokenCommand.time(secret.modifiedAt), TokenListCommand.printable(secret.comment ?? ""),
                    ].joined(separator: "\t")
                )
            }
        } catch {
            throw SecretCommand.failure(error)
        }
    }
}
