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

    /// What is known of a provider, behind one reference: definitions are handed around with every request.
    private struct Facts: Sendable {
        var id: ProviderID
        var aliases: [String] = []
        var bareModelPrefixes: [String] = []
        var service: Service
        var path: PathRule = .plain(PlainPath())
        var credential: CredentialRule = .bearer
        var compat: CompatRule = .unsupported
        var responses: ResponsesRule = .chat()
        var embeddings: EmbeddingRule = .unsupported
        var modelPrefix: String?
        var usage: UsageRule = UsageRule(.none)
        var model: ModelPathRule = .none
        var requiredHeaders: [(name: StaticString, value: String)] = []
        var standingHeaders: [(name: String, value: Secret<String>)] = []
        var prices: PriceNaming = PriceNaming()
        var egress: EgressRule = .anyAddress
        var targetField: TargetField?
        var baseOverride: UpstreamRoot?
        var webSocketOverride: String?
    }

    private final class Shared: Sendable {
        let facts: Facts
        init(_ facts: Facts) { self.facts = facts }
    }

    private var shared: Shared

    private mutating func change(_ body: (inout Facts) -> Void) {
        var facts = shared.facts
        body(&facts)
        shared = Shared(facts)
    }

    package var id: ProviderID {
        get { shared.facts.id }
        set { change { $0.id = newValue } }
    }
    /// Other URL segments and model prefixes that mean the same.
    package var aliases: [String] {
        get { shared.facts.aliases }
        set { change { $0.aliases = newValue } }
    }
    /// Model names that begin like this belong to the provider without naming it, for example `@cf/`.
    package var bareModelPrefixes: [String] {
        get { shared.facts.bareModelPrefixes }
        set { change { $0.bareModelPrefixes = newValue } }
    }
    package var service: Service {
        get { shared.facts.service }
        set { change { $0.service = newValue } }
    }
    package var path: PathRule {
        get { shared.facts.path }
        set { change { $0.path = newValue } }
    }
    package var credential: CredentialRule {
        get { shared.facts.credential }
        set { change { $0.credential = newValue } }
    }
    package var compat: CompatRule {
        get { shared.facts.compat }
        set { change { $0.compat = newValue } }
    }
    /// How the Responses API is served on the OpenAI-compatible endpoint.
    package var responses: ResponsesRule {
        get { shared.facts.responses }
        set { change { $0.responses = newValue } }
    }
    /// How embeddings are made on the OpenAI-compatible endpoint.
    package var embeddings: EmbeddingRule {
        get { shared.facts.embeddings }
        set { change { $0.embeddings = newValue } }
    }
    /// What stands before the models of the provider where they are listed; the slug unless another alias is usual.
    package var modelPrefix: String {
        get { shared.facts.modelPrefix ?? id.rawValue }
        set { change { $0.modelPrefix = newValue } }
    }
    package var usage: UsageRule {
        get { shared.facts.usage }
        set { change { $0.usage = newValue } }
    }
    /// Finds the model in a native path, where the path names it.
    package var model: ModelPathRule {
        get { shared.facts.model }
        set { change { $0.model = newValue } }
    }
    /// Headers that the provider insists on; set when a stored key is used and the client did not send them.
    package var requiredHeaders: [(name: StaticString, value: String)] {
        get { shared.facts.requiredHeaders }
        set { change { $0.requiredHeaders = newValue } }
    }
    /// Sent with every call in place of what the client sent under these names; an account's own provider may have some.
    package var standingHeaders: [(name: String, value: Secret<String>)] {
        get { shared.facts.standingHeaders }
        set { change { $0.standingHeaders = newValue } }
    }
    package var prices: PriceNaming {
        get { shared.facts.prices }
        set { change { $0.prices = newValue } }
    }
    /// Which addresses its host may resolve to.
    package var egress: EgressRule {
        get { shared.facts.egress }
        set { change { $0.egress = newValue } }
    }
    /// Where clients may name the whole address of a call; nil: nowhere.
    package var targetField: TargetField? {
        get { shared.facts.targetField }
        set { change { $0.targetField = newValue } }
    }
    /// Replaces scheme, host, port and prefix before the canonical path (decisions 1).
    package var baseOverride: UpstreamRoot? {
        get { shared.facts.baseOverride }
        set { change { $0.baseOverride = newValue } }
    }
    /// Replaces the same for the realtime socket (decisions 2).
    package var webSocketOverride: String? {
        get { shared.facts.webSocketOverride }
        set { change { $0.webSocketOverride = newValue } }
    }

    package init(id: ProviderID, service: Service) {
        shared = Shared(Facts(id: id, service: service))
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
