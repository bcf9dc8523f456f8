import GatewayCore
import PostgresStore
import Providers

/// Does the steps of a comparison with the same use cases that serve the management API, within one transaction.
struct DeclarationExecution {
    private let account: AccountID
    private let state: PresentState
    private let sealer: SecretSealer
    private let gateways: GatewayAdministration
    private let gatewayRows: GatewayRepository
    private let routes: DynamicRouteAdministration
    private let configs: ProviderConfigRepository
    private let secrets: SecretRepository
    private let providers: CustomProviderAdministration
    private let costs: CustomCostAdministration

    /// - Parameter pool: one that joins the transaction.
    init(
        _ pool: PostgresPool, _ state: PresentState, sealer: SecretSealer, egress: EgressRule,
        limits: ProductLimits
    ) {
        account = state.account
        self.state = state
        self.sealer = sealer
        gateways = GatewayAdministration(pool, limits: limits, egress: egress)
        gatewayRows = GatewayRepository(pool)
        routes = DynamicRouteAdministration(
            pool, limitPerGateway: limits.dynamicRoutesPerGateway, branches: limits.percentageBranches
        )
        configs = ProviderConfigRepository(pool)
        secrets = SecretRepository(pool)
        providers = CustomProviderAdministration(pool, vault: sealer.vault, egress: egress)
        costs = CustomCostAdministration(pool)
    }

    func run(_ steps: [DeclarationStep]) async throws(DeclarationFailure) {
        var providerIDs = state.customProviders.mapValues(\.id)
        var gatewayCount = state.gateways.count
        for step in steps {
            do throws(ControlError) {
                switch step.action {
                case .createCustomProvider(let settings, let headers):
                    providerIDs[settings.slug] = try await providers.create(settings, headers, of: account).value.id
                case .createCustomCost(let settings, let slug):
                    let provider = providerIDs[slug] ?? ""
                    _ = try await costs.create(settings, for: provider, of: account)
                case .changeCustomCost(let id, let settings, let slug):
                    _ = try await costs.replace(id, settings, for: providerIDs[slug] ?? "", of: account)
                case .createGateway(let id, let settings):
                    _ = try await gateways.create(id, settings, of: account, present: gatewayCount)
                    gatewayCount += 1
                case .deleteGateway(let id):
                    _ = try await gateways.delete(id, of: account)
                    gatewayCount -= 1
                default: try await run(step.action)
                }
            } catch {
                throw DeclarationFailure(error, at: step.path)
            }
        }
    }

    private func run(_ action: DeclarationStep.Action) async throws(ControlError) {
        switch action {
        case .deleteRoute(let id, let gateway): _ = try await routes.delete(id, of: gateway, in: account)
        case .deleteProviderConfig(let id, let gateway):
            _ = try await storing { try await configs.delete(id, of: gateway, in: account) }
        case .deleteCustomCost(let id): _ = try await costs.delete(id, of: account)
        case .deleteCustomProvider(let id): _ = try await providers.delete(id, of: account)
        case .changeCustomProvider(let id, let settings, let headers):
            _ = try await providers.replace(id, of: account) { current throws(ControlError) in
                var complete = settings
                complete.headers = current.headers
                return (complete, headers)
            }
        case .changeGateway(let id, let settings):
            let written = try await storing { try await gatewayRows.update(id, of: account) { _ in settings } }
            if written == nil { throw .notFound }
        case .createProviderConfig(let draft, let gateway, let key):
            try await store(draft, id: nil, of: gateway, key)
        case .changeProviderConfig(let id, let draft, let gateway, let key):
            try await store(draft, id: id, of: gateway, key)
        case .createRoute(let name, let elements, let gateway):
            _ = try await routes.create(name, elements, of: gateway, in: account)
        case .changeRoute(let id, let elements, let gateway):
            _ = try await routes.replace(elements, of: id, gateway, in: account)
        // These need, or leave, something that concerns other steps.
        case .createCustomProvider, .createCustomCost, .changeCustomCost, .createGateway, .deleteGateway: break
        }
    }

    /// - Parameter id: of the config that is there; nil: it is made.
    private func store(
        _ draft: ProviderConfigDraft, id: String?, of gateway: GatewayID, _ key: DeclarationStep.Key
    ) async throws(ControlError) {
        var number = id ?? ""
        if id == nil { number = try SecretSealer.identifier() }
        let config = draft.config(id: number, of: gateway, in: account, now: Instant(milliseconds: 0))
        var source: SecretSource?
        // For messages: what the file names, which need not be the usual name.
        var name = config.secretName
        switch key {
        case .same: break
        case .existing(let secret):
            source = .existing(secret)
            name = state.secretName(secret) ?? name
        case .newReference(let place):
            let secret = SecretID(try SecretSealer.identifier())
            let text = try sealed(place, for: secret)
            source = .value(
                NewSecret(id: secret, name: config.secretName, scopes: ["ai_gateway"], text: text)
            )
        case .changedReference(let place, let secret, let store):
            let change = SecretRepository.Change(text: try sealed(place, for: secret))
            _ = try await refusing(name) { try await secrets.update(secret, in: store, of: account, change) }
        }
        let newStore = StoreID(try SecretSealer.identifier())
        let chosen = source
        if id == nil {
            guard let chosen else { throw .internalFailure("a provider config without a key") }
            _ = try await refusing(name) { try await configs.insert(config, secret: chosen, newStore: newStore) }
        } else {
            let written = try await refusing(name) {
                try await configs.update(config, secret: chosen, newStore: newStore)
            }
            if written == nil { throw .notFound }
        }
    }

    private func sealed(_ place: String, for secret: SecretID) throws(ControlError) -> SealedText {
        let checked: SecretSealer.Checked
        do throws(SecretSealer.Problem) { checked = try sealer.check(place) } catch {
            throw .invalid([FieldProblem(["body", "reference"], "secrets.references does not allow it")])
        }
        return try sealer.seal(checked, id: secret, of: account)
    }

    private func refusing<T: Sendable>(
        _ name: String, _ body: () async throws -> T
    ) async throws(ControlError) -> T {
        try await storing {
            do {
                return try await body()
            } catch let refusal as ProviderConfigRefusal {
                throw ControlError(refusal, name: name)
            } catch is SecretStoreRefusal {
                throw ControlError.notFound
            }
        }
    }
}
