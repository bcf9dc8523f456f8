import GatewayCore

/// Whether and how a provider is reached through the OpenAI-compatible endpoint (providers.md §1.3).
package enum CompatRule: Sendable {
    case unsupported
    /// Speaks OpenAI's format; besides the model's name only what its dialect tells is changed.
    case openAI(CompatSurface)
    /// Has its own format; `surface` is its hosted OpenAI-shaped endpoint, where it has one.
    ///
    /// Without a translator its calls go to the surface.
    case translated(surface: CompatSurface?, by: (any ChatTranslator)? = nil)
    /// Has several formats; the model's name decides, and nil stands for that of the surface.
    case perModel(surface: CompatSurface, by: @Sendable (_ model: String) -> (any ChatTranslator)?)

    /// The provider's OpenAI-shaped endpoint.
    package var surface: CompatSurface? {
        switch self {
        case .unsupported: nil
        case .openAI(let surface): surface
        case .translated(let surface, _): surface
        case .perModel(let surface, _): surface
        }
    }

    /// What carries chats to the provider's own format; nil when they go as they are.
    ///
    /// - Parameter model: the name behind the provider prefix.
    package func translator(for model: String) -> (any ChatTranslator)? {
        switch self {
        case .unsupported, .openAI: nil
        case .translated(_, let translator): translator
        case .perModel(_, let translator): translator(model)
        }
    }

    /// An endpoint at the usual place.
    static func openAI(_ dialect: ChatDialect) -> CompatRule { .openAI(CompatSurface(dialect: dialect)) }
}

/// An OpenAI-shaped endpoint of a provider.
package struct CompatSurface: Sendable {
    /// Whether a stream's usage may be asked for with `stream_options.include_usage` (providers.md §4.3).
    package enum UsageOption: Sendable { case ask, leave }

    /// Native path of the base, as a client would write it; ends with a slash unless empty.
    package var base = ""
    package var usageOption: UsageOption = .ask
    package var query: String?
    /// How a stored key is written, where it differs from native calls.
    package var credentialForms: [CredentialRule.Form]?
    /// How the endpoint differs from OpenAI's; nil: in nothing that matters.
    package var dialect: ChatDialect?
    /// Set where the provider wants its own reasoning back with every call that it led to.
    package var reasoningEcho: ReasoningEcho?
    /// Moves parts of the model name, or what the credential tells, into the path; returns the base and the name to send.
    var bespoke: Bespoke?

    typealias Bespoke =
        @Sendable (_ model: String, _ place: CredentialPlace?) throws(GatewayError) -> (base: String, model: String)

    init(
        base: String = "", usageOption: UsageOption = .ask, query: String? = nil,
        credentialForms: [CredentialRule.Form]? = nil, dialect: ChatDialect? = nil, bespoke: Bespoke? = nil
    ) {
        self.base = base
        self.usageOption = usageOption
        self.query = query
        self.credentialForms = credentialForms
        self.dialect = dialect
        self.bespoke = bespoke
    }

    func place(_ model: String, _ place: CredentialPlace?) throws(GatewayError) -> (base: String, model: String) {
        if let bespoke { return try bespoke(model, place) }
        return (base, model)
    }
}
