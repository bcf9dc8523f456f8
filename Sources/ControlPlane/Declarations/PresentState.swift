import GatewayCore
import PostgresStore
import Providers
import SecretVault

/// What an account has now, in the terms of a file of declarations.
struct PresentState {
    /// Why something that a file names cannot be used; `name` is the member that is to blame.
    struct Refusal: Error, Equatable {
        var name: String?
        var message: String
    }

    let account: AccountID
    let configuration: AccountConfiguration
    private let vault: Vault
    let gateways: [GatewayID: Gateway]
    let customProviders: [String: AccountProvider]
    private let secrets: [SecretID: AccountConfiguration.KnownSecret]
    private let secretsByName: [StoreID: [String: AccountConfiguration.KnownSecret]]
    private let configsByGateway: [GatewayID: [ProviderConfig]]
    private let routesByGateway: [GatewayID: [DynamicRoute]]
    private let costsByProvider: [String: [CustomCost]]
    private let users: [SecretID: Int]

    /// - Parameter vault: opens what is sealed and has to be compared.
    init(_ configuration: AccountConfiguration, of account: AccountID, vault: Vault) {
        self.account = account
        self.configuration = configuration
        self.vault = vault
        gateways = Dictionary(configuration.gateways.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        customProviders = Dictionary(
            configuration.customProviders.map { ($0.settings.slug, $0) }, uniquingKeysWith: { $1 })
        secrets = Dictionary(configuration.secrets.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        secretsByName = configuration.secrets.reduce(into: [:]) { $0[$1.store, default: [:]][$1.name] = $1 }
        configsByGateway = Dictionary(grouping: configuration.providerConfigs, by: \.gateway)
        routesByGateway = Dictionary(grouping: configuration.routes, by: \.gateway)
        costsByProvider = Dictionary(grouping: configuration.customCosts, by: \.settings.provider)
        users = configuration.providerConfigs.reduce(into: [:]) { $0[$1.secret, default: 0] += 1 }
    }

    func configs(of gateway: GatewayID) -> [ProviderConfig] { configsByGateway[gateway] ?? [] }
    func routes(of gateway: GatewayID) -> [DynamicRoute] { routesByGateway[gateway] ?? [] }

    /// In an order that only depends on what they say.
    func costs(of provider: String) -> [CustomCost] {
        (costsByProvider[provider] ?? []).map { (DeclarationForm.customCost($0.settings).encoded, $0) }
            .sorted { $0.0 < $1.0 }.map(\.1)
    }

    // MARK: Forms

    func form(of id: GatewayID, _ settings: GatewaySettings) -> JSONValue {
        let store = configuration.stores.first { $0.id.rawValue == settings.storeID }
        return DeclarationForm.gateway(id.rawValue, settings, store: store?.name)
    }

    func form(of provider: AccountProvider) -> JSONValue {
        DeclarationForm.customProvider(provider.settings, headers: provider.settings.headers?.preview)
    }

    func form(of route: DynamicRoute) -> JSONValue {
        DeclarationForm.route(route.name, (try? JSONValue(parsing: route.version.elements))?.elements ?? [])
    }

    /// - Parameter store: of its gateway; a secret in another one is named with its store.
    func form(of config: ProviderConfig, store: StoreID?) -> JSONValue {
        DeclarationForm.providerConfig(
            provider: config.provider.rawValue, alias: config.alias.rawValue, isDefault: config.isDefault,
            rateLimit: config.rateLimit, period: config.rateLimitPeriodSeconds,
            key: secrets[config.secret].map { members(naming: $0, store: store) } ?? []
        )
    }

    private func members(
        naming secret: AccountConfiguration.KnownSecret, store: StoreID?
    ) -> [JSONValue.Member] {
        if let place = reference(secret) { return [.init("reference", .string(place))] }
        var members: [JSONValue.Member] = [.init("secret", .string(secret.name))]
        if secret.store != store, let other = configuration.stores.first(where: { $0.id == secret.store }) {
            members.append(.init("store", .string(other.name)))
        }
        return members
    }

    /// The place outside to which a secret of a provider config's own points; nil for all others.
    private func reference(_ secret: AccountConfiguration.KnownSecret) -> String? {
        guard let sealed = secret.sealedReference,
            let text = try? vault.open(sealed, account: account, secretID: secret.id)
        else { return nil }
        return String(validating: text.reveal(), as: UTF8.self)
    }

    // MARK: Stores and secrets

    func store(named name: String) -> SecretStore? { configuration.stores.first { $0.name == name } }

    /// The store of a gateway with these settings; nil when the account has none yet.
    func store(of settings: GatewaySettings) -> StoreID? {
        guard let id = settings.storeID, !id.isEmpty else { return configuration.stores.first?.id }
        return StoreID(id)
    }

    func secretName(_ id: SecretID) -> String? { secrets[id]?.name }

    /// What has to be done for a provider config's key, and how a file names it.
    ///
    /// - Parameter named: the secrets that the file names, whose values stay for whoever is to use them.
    func key(
        of config: DeclaredProviderConfig, _ gateway: GatewayID, store: StoreID?, stored: ProviderConfig?,
        named: Set<String>
    ) -> Result<(step: DeclarationStep.Key, members: [JSONValue.Member]), Refusal> {
        let usualName = config.usualSecretName(in: gateway)
        switch config.key {
        case .reference(let place):
            return reference(place, named: usualName, store: store, stored: stored, others: named)
                .map { ($0, [.init("reference", .string(place))]) }
        case .secret(let name, let storeName):
            var place = store
            if let storeName {
                guard let other = self.store(named: storeName) else {
                    let message = "There is no secrets store \(DeclarationText.shown(storeName))"
                    return .failure(Refusal(name: "store", message: message))
                }
                place = other.id
            }
            let wanted = name ?? usualName
            guard let secret = secret(named: wanted, in: place) else {
                // A config whose secret was deleted is still what a file without a name for it says.
                if name == nil, let stored, secrets[stored.secret] == nil { return .success((.same, [])) }
                return .failure(Refusal(name: "secret", message: missing(name == nil ? usualName : nil, in: place)))
            }
            if secret.id == stored?.secret { return .success((.same, members(naming: secret, store: store))) }
            guard secret.isUsable else {
                let message = "The secret is not active, or not in the scope ai_gateway"
                return .failure(Refusal(name: "secret", message: message))
            }
            return .success((.existing(secret.id), members(naming: secret, store: store)))
        }
    }

    private func secret(named name: String, in store: StoreID?) -> AccountConfiguration.KnownSecret? {
        store.flatMap { secretsByName[$0]?[name] }
    }

    /// - Parameter name: nil: as the file gave it, which is not repeated, because it may be a key that stands there by
    ///   mistake.
    private func missing(_ name: String?, in store: StoreID?) -> String {
        let secret = name.map { "There is no secret \(DeclarationText.shown($0))" } ?? "There is no secret of this name"
        guard let store else { return secret + ": the account has no secrets store yet" }
        guard let known = configuration.stores.first(where: { $0.id == store }) else {
            return secret + ": the gateway's secrets store does not exist"
        }
        return secret + " in the store \(DeclarationText.shown(known.name))"
    }

    private func reference(
        _ place: String, named name: String, store: StoreID?, stored: ProviderConfig?, others: Set<String>
    ) -> Result<DeclarationStep.Key, Refusal> {
        if let stored, let secret = secrets[stored.secret], secret.isOwned {
            if reference(secret) == place { return .success(.same) }
            if users[secret.id] == 1, !others.contains(secret.name) {
                return .success(.changedReference(place, secret.id, secret.store))
            }
        }
        if secret(named: name, in: store) != nil {
            let message =
                "A secret of the usual name \(DeclarationText.shown(name)) exists already: name it with secret, "
                + "or delete it"
            return .failure(Refusal(name: "reference", message: message))
        }
        return .success(.newReference(place))
    }

    // MARK: Headers of custom providers

    /// What has to be done for the declared headers; masked values keep what is stored.
    func headers(
        declared: String?, stored: AccountProvider?
    ) -> Result<CustomProviderDraft.Headers, Refusal> {
        let sealed = stored?.settings.headers
        guard let declared else { return .success(sealed == nil ? .unchanged : .none) }
        guard declared != sealed?.preview else { return .success(.unchanged) }
        let nothing = "**** keeps the value that is stored, and none is"
        guard let fields = try? JSONValue(parsing: declared), let members = fields.members else {
            guard declared != Secret.mask else { return .failure(Refusal(message: nothing)) }
            return .success(opened(stored) == declared ? .unchanged : .text(Secret(declared)))
        }
        if let preview = sealed?.preview, let shown = try? JSONValue(parsing: preview), shown.says(fields) {
            return .success(.unchanged)
        }
        let known = opened(stored).flatMap { try? JSONValue(parsing: $0) }
        var complete: [JSONValue.Member] = []
        for member in members {
            guard member.value.text == Secret.mask else {
                complete.append(member)
                continue
            }
            guard let value = known?[member.name] else {
                return .failure(Refusal(name: member.name, message: nothing))
            }
            complete.append(.init(member.name, value))
        }
        if let known, known.says(.object(complete)) { return .success(.unchanged) }
        return .success(.text(Secret(JSONValue.object(complete).encoded)))
    }

    private func opened(_ provider: AccountProvider?) -> String? {
        guard let provider, let sealed = provider.settings.headers,
            let text = try? vault.open(sealed.envelope, account: account, secretID: SecretID(provider.id))
        else { return nil }
        return String(validating: text.reveal(), as: UTF8.self)
    }
}
