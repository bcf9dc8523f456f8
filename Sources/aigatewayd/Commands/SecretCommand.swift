import ArgumentParser
import ControlPlane
import ExternalSecrets
import GatewayCore
import PostgresStore
import SecretVault
import Settings

/// `aigatewayd secret`: the Secrets Store from a shell.
struct SecretCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secret", abstract: "Store, list and delete secrets; change the master key.",
        subcommands: [
            SecretPutCommand.self, SecretListCommand.self, SecretDeleteCommand.self, MasterKeyRotationCommand.self,
        ]
    )

    /// What the subcommands work with.
    struct Access {
        let settings: DaemonSettings
        let pool: PostgresPool

        init(_ options: SettingsOptions) throws {
            settings = try options.load()
            pool = PostgresPool(try DatabaseAccess(settings).options, size: 1)
        }

        /// The keys in the master key's file.
        func masterKeys() throws -> MasterKeyRing {
            do throws(SettingsError) { return try MasterKeyFile.load(settings) } catch {
                throw ExitStatus.configuration.because(error.message)
            }
        }

        /// The use cases; reads the master key.
        func administration() throws -> SecretsStoreAdministration {
            SecretsStoreAdministration(
                pool,
                sealer: SecretSealer(
                    vault: Vault(masterKey: try MasterKey(try masterKeys().bytes)),
                    rules: ReferenceRules(settings.secrets.references)
                ),
                limits: .init(
                    stores: settings.limits.secretStoresPerAccount, secrets: settings.limits.secretsPerAccount)
            )
        }

        /// The account that is named, else the node's first one.
        func account(_ text: String?) throws -> AccountID {
            if let named = try TokenCommand.account(text) { return named }
            let file = try? CredentialsFile(stateDirectory: settings.stateDirectory).read()
            guard let account = settings.bootstrapAccount ?? file?.account else {
                throw ValidationError("--account is needed")
            }
            return account
        }
    }

    /// What a failed use case means for a shell.
    static func failure(_ error: ControlError) -> ExitCode {
        switch error {
        case .invalid(let problems):
            ExitStatus.usage.because(problems.map(\.message).joined(separator: "; "))
        case .notFound: ExitStatus.usage.because("there is no such account")
        case .dynamicRoute, .billing, .forbidden, .tooManyReaders:
            ExitStatus.internalFailure.because("this does not concern secrets")
        case .secretsStore(let problem): ExitStatus.usage.because(text(problem))
        case .storeUnavailable: ExitStatus.unavailable.because("PostgreSQL cannot be reached")
        case .internalFailure(let detail): ExitStatus.internalFailure.because(detail)
        }
    }

    private static func text(_ problem: SecretsStoreProblem) -> String {
        switch problem {
        case .storeNotFound, .storeNameEmpty, .storeNameInvalid, .storeNameTaken, .storeNotEmpty:
            "there is no such store"
        case .secretNotFound: "there is no such secret"
        case .storesExceeded: "the account has as many stores as limits.secret_stores_per_account allows"
        case .secretsExceeded: "the account has as many secrets as limits.secrets_per_account allows"
        case .secretNameEmpty, .secretNameInvalid: "a name has 1 to 255 characters, none of them a space"
        case .secretNameTaken: "another secret has this name"
        case .secretScopesEmpty, .secretScopeInvalid:
            "a scope is one of " + SecretsStoreAdministration.scopes.sorted().joined(separator: ", ")
        case .secretValueEmpty: "the value on standard input is empty"
        case .secretValueTooLong: "a value has at most 65536 bytes"
        case .secretCommentTooLong: "a comment has at most 1024 characters"
        case .referenceRefused(let advice): advice
        case .invalidBody: "the value must not contain a zero byte"
        }
    }
}
