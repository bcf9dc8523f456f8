package import CloudflareWire
package import GatewayCore
package import Providers

/// What every exchange of a worker shares: ports to the outside and the settings that bound a request.
@WorkerLoop
package final class WorkerEnvironment {
    package struct Limits: Sendable {
        /// Bytes of one request body.
        package var requestBody = 100 << 20
        /// Bytes of both bodies that one log entry keeps (data-plane §12).
        package var loggedPayload = 10 << 20
        /// Bytes of all bodies that are being held for logs at one time.
        package var loggedPayloadTotal = 128 << 20
        /// Bytes of all bodies, of requests and of answers, that are read, written or handed on as a whole at one time.
        package var wholeBodiesTotal = 512 << 20
        /// Bytes of the body of a request that can be answered from the cache (data-plane §12).
        package var cacheableBody = 25 << 20
        /// How far requests may go with their settings.
        package var settings = SettingBounds.standard
        package init() {}

        /// - Parameter product: what the operator allows.
        package init(_ product: ProductLimits) {
            loggedPayload = product.logEntry
            cacheableBody = product.cacheableRequest
            settings.metadataEntries = product.metadataEntries
            settings.longestCacheTTL = product.cacheTTL
            settings.mostAttempts = product.retryAttempts
            settings.longestRetryDelay = product.retryDelay
        }
    }

    package let snapshots: any SnapshotSource
    package let provisioner: any GatewayProvisioner
    package let secrets: any SecretOpener
    package let hasher: any TokenHasher
    package let upstream: any UpstreamClient
    package let sandbox: any UpstreamClient
    package let records: any RecordSink
    package let counter: any RequestCounter
    package let observer: any Observer
    package let clock: any WallClock
    package let providers: ProviderRegistry
    package let prices: PriceBook
    let models: ModelListing
    package let limits: Limits
    package let timers: any Timers
    /// Nil: there is no shared store, so nothing is stored, shared or limited.
    package let contentHasher: any ContentHasher
    package let answerGate: (any AnswerGate)?
    package let digests: any MessageDigests
    package let assertions: any AssertionSigner
    package let reasoning: any ReasoningStore
    package let accessTokens: AccessTokens
    package let mediaFetching: MediaFetching
    /// Account id in Workers AI's upstream URL; nil: the account of the request.
    package let workersAIAccount: String?
    package var random: LogIDEntropy
    private var providerReferences: [String: Provider] = [:]

    /// Bytes now held for logs.
    package var loggedPayloadHeld = 0
    /// Bodies that are held as a whole now.
    let wholeBodies: HeldBytes

    package init(
        snapshots: any SnapshotSource, provisioner: any GatewayProvisioner, secrets: any SecretOpener,
        hasher: any TokenHasher, upstream: any UpstreamClient, sandbox: any UpstreamClient,
        records: any RecordSink, counter: any RequestCounter, observer: any Observer, clock: any WallClock,
        providers: ProviderRegistry, prices: PriceBook, limits: Limits, workersAIAccount: String?,
        timers: any Timers, contentHasher: any ContentHasher, answerGate: (any AnswerGate)?,
        digests: any MessageDigests, assertions: any AssertionSigner, reasoning: any ReasoningStore,
        mediaFetching: MediaFetching
    ) {
        self.snapshots = snapshots
        self.provisioner = provisioner
        self.secrets = secrets
        self.hasher = hasher
        self.upstream = upstream
        self.sandbox = sandbox
        self.records = records
        self.counter = counter
        self.observer = observer
        self.clock = clock
        self.providers = providers
        self.prices = prices
        models = ModelListing(providers, prices)
        self.limits = limits
        wholeBodies = HeldBytes(limit: limits.wholeBodiesTotal)
        self.timers = timers
        self.contentHasher = contentHasher
        self.answerGate = answerGate
        self.digests = digests
        self.assertions = assertions
        self.reasoning = reasoning
        self.mediaFetching = mediaFetching
        accessTokens = AccessTokens(clock: clock)
        self.workersAIAccount = workersAIAccount
        random = LogIDEntropy()
        for definition in providers.all {
            let provider = Provider(definition)
            for segment in [definition.id.rawValue] + definition.aliases { providerReferences[segment] = provider }
        }
    }

    private struct CustomKey: Hashable {
        var account: AccountID
        var slug: String
    }
    /// The accounts' own providers that were called lately, with what they were made of.
    private var customProviders: [CustomKey: (plan: CustomProviderPlan, provider: Provider)] = [:]
    /// Beyond it they are made anew, which costs little.
    private static let customProviderLimit = 1024

    /// The provider of a URL segment: a slug, an alias or the request's account's own provider.
    ///
    /// - Errors: `.storedKeyUnavailable` when an account's own provider has headers that cannot be opened.
    func provider(segment: String, _ admitted: Admitted) throws(GatewayError) -> Provider? {
        if let known = providerReferences[segment] { return known }
        guard let slug = CustomProvider.slug(ofSegment: segment),
            let plan = admitted.index.customProvider(slug, of: admitted.gateway.account), plan.isEnabled
        else { return nil }
        let key = CustomKey(account: plan.account, slug: slug)
        if let known = customProviders[key], known.plan == plan { return known.provider }
        let headers = plan.headers.flatMap { secrets.open($0) }
        let definition = try CustomProvider.definition(plan, headers: headers)
        if customProviders.count >= Self.customProviderLimit { customProviders.removeAll() }
        let provider = Provider(definition, plan)
        customProviders[key] = (plan, provider)
        return provider
    }

    /// The provider and bare name of a compat model: everything after the first slash is the name.
    func compatProvider(
        model: String, _ admitted: Admitted
    ) throws(GatewayError) -> (Provider, model: String)? {
        if let (definition, bare) = providers.compatTarget(model: model) {
            return try provider(segment: definition.id.rawValue, admitted).map { ($0, bare) }
        }
        guard let slash = model.firstIndex(of: "/"),
            let provider = try provider(segment: String(model[..<slash]), admitted)
        else { return nil }
        return (provider, String(model[model.index(after: slash)...]))
    }
}

/// A provider's definition by reference: it is large, and every request points at one.
package final class Provider: Sendable {
    package let definition: ProviderDefinition
    /// Part of the keys of its stored answers; nil for providers that are built in.
    let cacheEpoch: UInt64?
    /// What its account says that its models cost.
    private let costs: [(rule: CustomCostRule, price: PricedModel)]

    /// - Parameter plan: of an account's own provider; nil for one that is built in.
    init(_ definition: ProviderDefinition, _ plan: CustomProviderPlan? = nil) {
        self.definition = definition
        cacheEpoch = plan?.cacheEpoch
        costs = (plan?.costs ?? []).map { rule in
            var row = PriceRow(provider: definition.id, model: rule.model)
            row.rates = rule.rates
            return (rule, PricedModel(row))
        }
    }

    /// The price that the account gave to a model of this provider; nil when it gave none.
    func customPrice(of model: String) -> PricedModel? {
        costs.first { $0.rule.applies(to: model) }?.price
    }
}

/// The random part of log ids: seeded by the system once, then without system calls (SplitMix64 over 64 bits).
///
/// Ids are names, not secrets: reading a log always needs a token of its account.
package struct LogIDEntropy: RandomNumberGenerator, Sendable {
    private var state: UInt64
    private let stream: UInt64

    package init() {
        var system = SystemRandomNumberGenerator()
        state = system.next()
        stream = system.next() | 1
    }

    package mutating func next() -> UInt64 {
        state &+= stream
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
