package import GatewayCore

/// One upstream provider, as data: where it is, how it is addressed, paid and measured.
///
/// Everything that differs between providers is a property of this value; nothing else asks which provider it is.
package struct ProviderDefinition: Sendable {
    /// Who answers.
    package enum Service: Sendable, Equatable {
        /// A server at this root.
        case remote(UpstreamRoot)
        /// The worker itself (contract, "Built-in provider").
        case sandbox
    }

    package var id: ProviderID
    /// Other URL segments and model prefixes that mean the same.
    package var aliases: [String] = []
    /// Model names that begin like this belong to the provider without naming it, for example `@cf/`.
    package var bareModelPrefixes: [String] = []
    package var service: Service
    package var path: PathRule = .plain(PlainPath())
    package var credential: CredentialRule = .bearer
    package var compat: CompatRule = .unsupported
    package var usage: UsageRule = UsageRule(.none)
    /// Finds the model in a native path, where the path names it.
    package var model: ModelPathRule = .none
    /// Headers that the provider insists on; set when a stored key is used and the client did not send them.
    package var requiredHeaders: [(name: StaticString, value: String)] = []
    /// Sent with every call unless the client sent a field of that name itself; an account's own provider may have some.
    package var standingHeaders: [(name: String, value: Secret<String>)] = []
    package var prices = PriceNaming()
    /// Which addresses its host may resolve to.
    package var egress: EgressRule = .anyAddress
    /// Replaces scheme, host, port and prefix before the canonical path (decisions 1).
    package var baseOverride: UpstreamRoot?
    /// Replaces the same for the realtime socket (decisions 2).
    package var webSocketOverride: String?

    package init(id: ProviderID, service: Service) {
        self.id = id
        self.service = service
    }

    /// A provider at a fixed root.
    init(_ id: ProviderID, _ scheme: Origin.Scheme = .https, host: String, prefix: String = "") {
        self.init(id: id, service: .remote(UpstreamRoot(origin: Origin(scheme: scheme, host: host), prefix: prefix)))
    }

    package var root: UpstreamRoot {
        switch service {
        case .remote(let root): root
        case .sandbox: UpstreamRoot(origin: Origin(scheme: .http, host: "sandbox.invalid"), prefix: "")
        }
    }

    /// The model that a native path names; percent-encoding is decoded.
    ///
    /// - Parameter path: the raw rest after the provider segment.
    package func modelInPath(_ path: String) -> String? { model.find(path) }

    /// How answers under an upstream path report usage.
    package func usageFormat(path: String) -> UsageFormat { usage.format(path: path) }

    /// What writes a stored key into a request to `target`.
    package func inject(_ key: String, for target: UpstreamTarget) -> [(name: StaticString, value: String)] {
        credential.inject(key, as: target.credentialForms)
    }
}
