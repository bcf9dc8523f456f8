import ArgumentParser
import ControlPlane
import GatewayCore
import PostgresStore

/// `aigatewayd token list`: one line per token, never the token itself.
struct TokenListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List tokens: id, account, permissions, status, expiry, last use, name."
    )

    @Option(help: "Only tokens of this account.") var account: String?
    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let account = try TokenCommand.account(account)
        let tokens = try TokenCommand.administration(options).tokens
        let now = CommandClock().now
        do throws(ControlError) {
            for token in try await tokens.list(of: account) {
                print(
                    [
                        token.id.rawValue, token.account.rawValue, token.permissions.words.joined(separator: ","),
                        token.status(at: now).rawValue, TokenCommand.time(token.expiresAt),
                        TokenCommand.time(token.lastUsedAt), Self.printable(token.name),
                    ].joined(separator: "\t")
                )
            }
        } catch {
            throw TokenCommand.failure(error)
        }
    }

    /// A name may hold anything; on a terminal it must not.
    static func printable(_ name: String) -> String {
        String(
            String.UnicodeScalarView(name.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }
}
