import GatewayCore
import PostgresStore

/// What a file declares: gateways with their provider configs and routes, custom providers with their costs.
///
/// Checked as far as the file by itself can be; names of stores and secrets are looked up when it is applied. A section
/// that the file does not have is nil: nothing is said about it.
package struct Declarations: Sendable {
    /// The only version of the format there is.
    package static let version = 1

    var gateways: [DeclaredGateway]?
    var customProviders: [DeclaredCustomProvider]?
    /// Where the declared objects and their members stand.
    var lines: [[String]: Int] = [:]

    /// Number of gateways in the file.
    package var gatewayCount: Int { gateways?.count ?? 0 }
    /// Number of custom providers in the file.
    package var customProviderCount: Int { customProviders?.count ?? 0 }

    /// A problem with the line of what it is about, or of the nearest thing around that.
    func locating(_ problem: DeclarationProblem) -> DeclarationProblem {
        var located = problem
        var path = problem.path
        while located.line == nil {
            located.line = lines[path]
            if path.isEmpty { break }
            path.removeLast()
        }
        return located
    }
}

/// A gateway in a file of declarations.
struct DeclaredGateway: Sendable {
    var path: [String]
    var id: GatewayID
    /// Complete but for the id of `store` and masked header values of exporters.
    var settings: GatewaySettings
    /// Name of its secrets store; nil: the account's default one.
    var store: String?
    var providerConfigs: [DeclaredProviderConfig] = []
    var routes: [DeclaredRoute] = []
}

/// A provider config in a file of declarations.
struct DeclaredProviderConfig: Sendable {
    /// Where its key comes from.
    enum Key: Sendable, Equatable {
        /// The secret of this name, in the store of this name; nil: its usual name, its gateway's store.
        case secret(String?, store: String?)
        /// A place outside, in its usual form.
        case reference(String)
    }

    var path: [String]
    var draft: ProviderConfigDraft
    var key: Key

    /// The name of its secret where none is given: `{gateway}_{provider}_{alias}`.
    func usualSecretName(in gateway: GatewayID) -> String {
        draft.config(id: "", of: gateway, in: "", now: Instant(milliseconds: 0)).secretName
    }
}

/// A dynamic route in a file of declarations.
struct DeclaredRoute: Sendable {
    var path: [String]
    var name: String
    var elements: [JSONValue]
}

/// A custom provider in a file of declarations.
struct DeclaredCustomProvider: Sendable {
    var path: [String]
    /// Without headers.
    var settings: AccountProviderSettings
    /// The headers' text as the API has it, masked values included; nil: none.
    var headers: String?
    var costs: [DeclaredCustomCost] = []
}

/// A custom cost in a file of declarations.
struct DeclaredCustomCost: Sendable {
    var path: [String]
    /// With the provider's slug in place of its id.
    var settings: CustomCostSettings
}
