import ArgumentParser
import ControlPlane
import ExternalSecrets
import Foundation
import GatewayCore
import Providers
import SecretVault
import Settings

/// What the commands about files of declarations work with.
struct DeclarationAccess {
    private let secrets: SecretCommand.Access

    init(_ options: SettingsOptions) throws { secrets = try SecretCommand.Access(options) }

    var settings: DaemonSettings { secrets.settings }

    func account(_ text: String?) throws -> AccountID { try secrets.account(text) }

    /// The use cases over the node's database; reads the master key.
    func administration() throws -> DeclarationAdministration {
        DeclarationAdministration(
            secrets.pool,
            sealer: SecretSealer(
                vault: Vault(masterKey: try MasterKey(try secrets.masterKeys().bytes)),
                rules: ReferenceRules(settings.secrets.references)
            ),
            egress: settings.egressAllowsPrivateAddresses ? .anyAddress : .publicAddressesOnly,
            limits: settings.limits
        )
    }

    /// Reads files by the rules of these settings.
    static func reader(_ settings: DaemonSettings) -> DeclarationReader {
        DeclarationReader(
            rules: ReferenceRules(settings.secrets.references),
            egress: settings.egressAllowsPrivateAddresses ? .anyAddress : .publicAddressesOnly,
            limits: settings.limits, canonicalProvider: canonicalProvider
        )
    }

    /// One name for each provider.
    static let canonicalProvider: @Sendable (String) -> ProviderID = {
        ProviderRegistry.builtIn.provider(segment: $0)?.id ?? ProviderID($0)
    }

    /// What a failure means for a shell: every problem on a line of its own, behind the file's name.
    static func failure(_ failure: DeclarationFailure, _ file: String) -> ExitCode {
        switch failure {
        case .refused(let problems):
            for problem in problems.dropLast() { _ = ExitStatus.configuration.because("\(file): \(problem)") }
            return ExitStatus.configuration.because("\(file): " + (problems.last?.description ?? "it is refused"))
        case .noSuchAccount: return ExitStatus.usage.because("there is no such account")
        case .contended(let problems):
            for problem in problems { _ = ExitStatus.contended.because("\(file): \(problem)") }
            return ExitStatus.contended.because(
                "others are changing the configuration, or keep it locked, and nothing was changed: try again")
        case .storeUnavailable: return ExitStatus.unavailable.because("PostgreSQL cannot be reached")
        case .internalFailure(let detail): return ExitStatus.internalFailure.because(detail)
        }
    }
}
