import ArgumentParser
import ControlPlane
import Foundation
import GatewayCore

/// `aigatewayd export`: prints an account's configuration as a file that `import` takes.
struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Print gateways, routes, provider configs and custom providers as one YAML file.",
        discussion: """
            The same configuration gives the same text. No secret is in it: provider configs name their secret, or the \
            place outside where it is; header values are ****, which keeps the stored value at an import.
            """
    )

    @Option(help: "Account (default: the node's first account).") var account: String?
    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let access = try DeclarationAccess(options)
        let account = try access.account(account)
        let administration = try access.administration()
        do throws(DeclarationFailure) {
            let text = try await administration.export(of: account)
            FileHandle.standardOutput.write(Data(text.utf8))
        } catch {
            throw DeclarationAccess.failure(error, "export")
        }
    }
}
