import ArgumentParser
import ControlPlane
import Foundation
import GatewayCore
import PostgresStore

/// `aigatewayd token create`: prints the new token, which cannot be shown again.
struct TokenCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Create a token and print it; it is stored as a digest only."
    )

    /// What a token may be used for (decision 16), by its word.
    struct Permission: ExpressibleByArgument {
        static let allValueStrings = Permissions.allWords

        var word: String

        init?(argument: String) {
            guard Self.allValueStrings.contains(argument) else { return nil }
            word = argument
        }
    }

    @Option(help: "Account, made if it is new (default: the node's first account).") var account: String?
    @Option(help: "Name shown in lists.") var name = ""
    @Option(
        name: .customLong("permission"),
        help:
            "run: use gateways; read: see everything; edit: change everything; others: parts of these. Repeatable (default: run)."
    )
    var permissions: [Permission] = []
    @Option(help: "Time after which the token is refused, as in 2027-01-31 or 2027-01-31T12:00:00Z.")
    var expires: String?
    @Flag(help: "Print a JSON object with the token's id as well.") var json = false
    @OptionGroup var options: SettingsOptions

    func run() async throws {
        var expiresAt: Instant?
        if let expires {
            guard let instant = Timestamp.instant(expires) else {
                throw ValidationError("--expires is not a time such as 2027-01-31T12:00:00Z")
            }
            guard instant > CommandClock().now else { throw ValidationError("--expires has passed") }
            expiresAt = instant
        }
        let chosen = try TokenCommand.account(account)
        let (tokens, standard) = try TokenCommand.administration(options)
        guard let account = chosen ?? standard else { throw ValidationError("--account is needed") }
        let words = permissions.isEmpty ? ["run"] : permissions.map(\.word)
        do throws(ControlError) {
            let made = try await tokens.create(
                account: account, name: name, permissions: Permissions(words: words) ?? [], expiresAt: expiresAt
            )
            if json {
                print(Self.object(made.token, text: made.text.reveal()))
            } else {
                print(made.text.reveal())
            }
        } catch {
            throw TokenCommand.failure(error)
        }
    }

    private static func object(_ token: APIToken, text: String) -> String {
        struct Output: Encodable {
            var account: String
            var id: String
            var permissions: [String]
            var token: String

            enum CodingKeys: String, CodingKey {
                case account = "account_id"
                case id, permissions, token
            }
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let output = Output(
            account: token.account.rawValue, id: token.id.rawValue, permissions: token.permissions.words, token: text
        )
        return (try? encoder.encode(output)).map { String(decoding: $0, as: UTF8.self) } ?? text
    }
}
