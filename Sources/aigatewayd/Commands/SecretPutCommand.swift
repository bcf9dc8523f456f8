import ArgumentParser
import ControlPlane
import Foundation
import GatewayCore
import PostgresStore

/// `aigatewayd secret put`: stores what stands on standard input.
struct SecretPutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put", abstract: "Store the value on standard input under a name and print the secret's id.",
        discussion: """
            The account's default store is used, and made when there is none. A secret of this name gets the new \
            value and keeps its id. One line end at the end of the value is dropped. A value that begins with env:, \
            file: or vault: is a reference, which secrets.references has to allow; literal: before it makes it a value.
            """
    )

    @Argument(help: "Name of the secret.") var name: String
    @Option(help: "Account (default: the node's first account).") var account: String?
    @Option(help: "What it is for.") var comment: String?
    @Option(name: .customLong("scope"), help: "What may use it. Repeatable (default: ai_gateway).")
    var scopes: [String] = []
    @OptionGroup var options: SettingsOptions

    func run() async throws {
        guard isatty(STDIN_FILENO) == 0 else {
            throw ValidationError("the value is read from standard input: aigatewayd secret put NAME < file")
        }
        guard let value = try Self.value() else {
            throw ValidationError("the value on standard input is not UTF-8 text of at most 65536 bytes")
        }
        let access = try SecretCommand.Access(options)
        let account = try access.account(account)
        let administration = try access.administration()
        do throws(ControlError) {
            let written = try await administration.put(
                name, value: value, scopes: scopes.isEmpty ? ["ai_gateway"] : scopes, comment: comment, of: account
            )
            print(written.value.id.rawValue)
        } catch {
            throw SecretCommand.failure(error)
        }
    }

    /// All of standard input without a line end at its end; nil when it is no text or too long to be a value.
    private static func value() throws -> String? {
        let limit = 65_536 + 16
        guard let data = try FileHandle.standardInput.read(upToCount: limit + 1), !data.isEmpty else { return "" }
        guard data.count <= limit, var text = String(data: data, encoding: .utf8), !text.utf8.contains(0) else {
            return nil
        }
        if text.hasSuffix("\r\n") || text.hasSuffix("\n") { text.removeLast() }
        return text
    }
}
