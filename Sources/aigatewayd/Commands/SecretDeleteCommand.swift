import ArgumentParser
import ControlPlane
import GatewayCore
import PostgresStore

/// `aigatewayd secret delete`: removes a secret; provider configs that use it stay, and their calls are refused.
struct SecretDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a secret; calls that would use it are refused from then on."
    )

    @Argument(help: "The secret's id or name.") var secret: String
    @Option(help: "Account of the secret (default: the node's first account).") var account: String?
    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let access = try SecretCommand.Access(options)
        let account = try access.account(account)
        let administration = try access.administration()
        do throws(ControlError) {
            let all = try await administration.listAll(of: account)
            let byID = all.filter { $0.id.rawValue == secret }
            let found = byID.isEmpty ? all.filter { $0.name == secret } : byID
            guard let chosen = found.first else { throw .secretsStore(.secretNotFound) }
            guard found.count == 1 else {
                throw .invalid([
                    FieldProblem(["name"], "several stores have a secret of this name: give the id")
                ])
            }
            _ = try await administration.delete(chosen.id, in: chosen.store, of: account)
            print("deleted \(chosen.id)")
        } catch {
            throw SecretCommand.failure(error)
        }
    }
}
