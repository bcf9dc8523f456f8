import GatewayCore
import PostgresStore
import Providers

/// Compares what a file declares with what an account has.
///
/// An object that is named in the file becomes what the file says of it, members that are left out included: they get
/// their standard. What the file does not name stays, or goes when `pruning` says so and the file has that section.
struct DeclarationComparison {
    private let declared: Declarations
    private let present: PresentState
    private let pruning: DeclarationAdministration.Pruning
    private let branches: Int
    private(set) var report = DeclarationReport()
    private(set) var problems: [DeclarationProblem] = []
    /// Deletions come first, so that names, limits and defaults are free.
    var steps: [DeclarationStep] { deletions + changes }
    /// Names of the secrets that the file's provider configs use.
    private let namedSecrets: Set<String>
    private var deletions: [DeclarationStep] = []
    private var changes: [DeclarationStep] = []

    init(
        _ declared: Declarations, with present: PresentState, _ pruning: DeclarationAdministration.Pruning,
        _ limits: ProductLimits
    ) {
        branches = limits.percentageBranches
        namedSecrets = Set(
            (declared.gateways ?? []).flatMap { gateway in
                gateway.providerConfigs.compactMap { config in
                    guard case .secret(let name, _) = config.key else { return nil }
                    return name ?? config.usualSecretName(in: gateway.id)
                }
            })
        self.declared = declared
        self.present = present
        self.pruning = pruning
        for provider in declared.customProviders ?? [] { compare(provider) }
        if let providers = declared.customProviders { prune(besides: providers) }
        for gateway in declared.gateways ?? [] { compare(gateway) }
        if let gateways = declared.gateways { prune(besides: gateways) }
    }

    private mutating func note(_ kind: DeclarationReport.Change.Kind, _ object: String, _ details: [String]) {
        report.changes.append(.init(kind: kind, object: object, details: details))
    }

    private mutating func refuse(_ path: [String], _ message: String) {
        problems.append(declared.locating(DeclarationProblem(path, message)))
    }

    private static func name(_ parts: String...) -> String {
        parts.map { DeclarationText.shown($0) }.joined(separator: "/")
    }

    // MARK: Custom providers

    private mutating func compare(_ provider: DeclaredCustomProvider) {
        let slug = provider.settings.slug
        let object = "custom provider " + Self.name(slug)
        let stored = present.customProviders[slug]
        let headers: CustomProviderDraft.Headers
        switch present.headers(declared: provider.headers, stored: stored) {
        case .success(let found): headers = found
        case .failure(let refusal):
            return refuse(provider.path + ["headers"] + (refusal.name.map { [$0] } ?? []), refusal.message)
        }
        let form = DeclarationForm.customProvider(
            provider.settings, headers: provider.headers.map { CustomHeaders.masked(Array($0.utf8)) }
        )
        if let stored {
            let old = present.form(of: stored)
            var details = DeclarationDifferences(from: old, to: form).lines
            if case .text = headers, old["headers"]?.says(form["headers"] ?? .null) ?? false {
                details.append("headers: their values change")
            }
            if !details.isEmpty {
                note(.update, object, details)
                changes.append(
                    .init(
                        action: .changeCustomProvider(stored.id, provider.settings, headers), path: provider.path))
            }
        } else {
            note(.create, object, DeclarationDifferences.members(of: form, without: ["slug"]))
            changes.append(.init(action: .createCustomProvider(provider.settings, headers), path: provider.path))
        }
        compareCosts(of: provider, stored: stored.map { present.costs(of: $0.id) } ?? [])
    }

    /// Costs have no name: those that are equal belong together, then those of the same models, in their order.
    private mutating func compareCosts(of provider: DeclaredCustomProvider, stored: [CustomCost]) {
        let slug = provider.settings.slug
        var left = stored.map { (cost: $0, form: DeclarationForm.customCost($0.settings)) }
        var open: [DeclaredCustomCost] = []
        for cost in provider.costs {
            let form = DeclarationForm.customCost(cost.settings)
            if let same = left.firstIndex(where: { $0.form.says(form) }) {
                left.remove(at: same)
            } else {
                open.append(cost)
            }
        }
        for cost in open {
            let settings = cost.settings
            let object = "custom cost " + Self.name(slug, settings.modelRule.rawValue, settings.model)
            let form = DeclarationForm.customCost(settings)
            let match = left.firstIndex {
                let known = $0.cost.settings
                return known.model == settings.model && known.modelRule == settings.modelRule
                    && known.costType == settings.costType
            }
            if let match {
                let old = left.remove(at: match)
                let differences = DeclarationDifferences(from: old.form, to: form)
                note(.update, object, differences.lines)
                changes.append(.init(action: .changeCustomCost(old.cost.id, settings, slug), path: cost.path))
            } else {
                note(.create, object, DeclarationDifferences.members(of: form, without: ["model", "model_rule"]))
                changes.append(.init(action: .createCustomCost(settings, slug), path: cost.path))
            }
        }
        guard pruning == .deleteOthers else { return }
        for cost in left.map(\.cost) {
            note(.delete, "custom cost " + Self.name(slug, cost.settings.modelRule.rawValue, cost.settings.model), [])
            deletions.append(.init(action: .deleteCustomCost(cost.id), path: []))
        }
    }

    private mutating func prune(besides providers: [DeclaredCustomProvider]) {
        guard pruning == .deleteOthers else { return }
        let kept = Set(providers.map(\.settings.slug))
        for provider in present.configuration.customProviders where !kept.contains(provider.settings.slug) {
            let slug = provider.settings.slug
            for gateway in declared.gateways ?? [] {
                for config in gateway.providerConfigs where config.draft.provider == CustomProvider.id(ofSlug: slug) {
                    refuse(config.path + ["provider_slug"], "The custom provider goes: the file does not declare it")
                }
            }
            note(.delete, "custom provider " + Self.name(slug), ["with its costs and the keys stored for it"])
            deletions.append(.init(action: .deleteCustomProvider(provider.id), path: []))
        }
    }

    // MARK: Gateways

    private mutating func compare(_ gateway: DeclaredGateway) {
        let object = "gateway " + Self.name(gateway.id.rawValue)
        let stored = present.gateways[gateway.id]
        var settings = gateway.settings
        if let store = gateway.store {
            guard let known = present.store(named: store) else {
                return refuse(gateway.path + ["store"], "There is no secrets store \(DeclarationText.shown(store))")
            }
            settings.storeID = known.id.rawValue
        }
        settings.otel = unmasked(settings.otel, stored: stored?.settings.otel, gateway.path + ["otel"])
        let form = present.form(of: gateway.id, settings)
        if let stored {
            let differences = DeclarationDifferences(from: present.form(of: stored.id, stored.settings), to: form)
            if !differences.lines.isEmpty {
                note(.update, object, differences.lines)
                changes.append(.init(action: .changeGateway(gateway.id, settings), path: gateway.path))
            }
        } else {
            note(.create, object, DeclarationDifferences.members(of: form, without: ["id"]))
            changes.append(.init(action: .createGateway(gateway.id, settings), path: gateway.path))
        }
        compareConfigs(of: gateway, store: present.store(of: settings))
        compareRoutes(of: gateway)
    }

    /// The exporters with the stored values in place of masks.
    private mutating func unmasked(_ text: String?, stored: String?, _ path: [String]) -> String? {
        guard let text, let entries = try? JSONValue(parsing: text).elements else { return text }
        let known = stored.flatMap { try? JSONValue(parsing: $0).elements } ?? []
        let masks = ExporterMasks(entries, stored: known)
        for problem in masks.problems { refuse(path + problem.path, problem.message) }
        return JSONValue.array(masks.completed).encoded
    }

    private mutating func prune(besides gateways: [DeclaredGateway]) {
        guard pruning == .deleteOthers else { return }
        let kept = Set(gateways.map(\.id))
        // The default gateway makes itself: it would come back with the next request, without its log.
        for gateway in present.configuration.gateways where !kept.contains(gateway.id) && gateway.id != .default {
            note(.delete, "gateway " + Self.name(gateway.id.rawValue), ["with its log, routes and provider configs"])
            deletions.append(.init(action: .deleteGateway(gateway.id), path: []))
        }
    }

    // MARK: Provider configs

    private mutating func compareConfigs(of gateway: DeclaredGateway, store: StoreID?) {
        let stored = present.configs(of: gateway.id)
        let declaredNames = Set(gateway.providerConfigs.map { [$0.draft.provider.rawValue, $0.draft.alias.rawValue] })
        for config in gateway.providerConfigs {
            let draft = config.draft
            let object =
                "provider config " + Self.name(gateway.id.rawValue, draft.provider.rawValue, draft.alias.rawValue)
            let old = stored.first { $0.provider == draft.provider && $0.alias == draft.alias }
            let key: (step: DeclarationStep.Key, members: [JSONValue.Member])
            switch present.key(of: config, gateway.id, store: store, stored: old, named: namedSecrets) {
            case .success(let found): key = found
            case .failure(let refusal):
                refuse(config.path + [refusal.name ?? "secret"], refusal.message)
                continue
            }
            let form = DeclarationForm.providerConfig(
                provider: draft.provider.rawValue, alias: draft.alias.rawValue, isDefault: draft.isDefault,
                rateLimit: draft.rateLimit, period: draft.rateLimitPeriod, key: key.members
            )
            guard let old else {
                note(.create, object, DeclarationDifferences.members(of: form, without: ["provider_slug", "alias"]))
                changes.append(.init(action: .createProviderConfig(draft, gateway.id, key.step), path: config.path))
                continue
            }
            let differences = DeclarationDifferences(from: present.form(of: old, store: store), to: form)
            guard !differences.lines.isEmpty else { continue }
            note(.update, object, differences.lines)
            changes.append(
                .init(action: .changeProviderConfig(old.id, draft, gateway.id, key.step), path: config.path))
        }
        for old in stored where !declaredNames.contains([old.provider.rawValue, old.alias.rawValue]) {
            let object = "provider config " + Self.name(gateway.id.rawValue, old.provider.rawValue, old.alias.rawValue)
            if pruning == .deleteOthers {
                note(.delete, object, [])
                deletions.append(.init(action: .deleteProviderConfig(old.id, gateway.id), path: []))
            } else if old.isDefault,
                gateway.providerConfigs.contains(where: { $0.draft.isDefault && $0.draft.provider == old.provider })
            {
                // Happens by itself when the other becomes the default.
                note(.update, object, ["default_config: true -> false"])
            }
        }
    }

    // MARK: Routes

    private mutating func compareRoutes(of gateway: DeclaredGateway) {
        let stored = present.routes(of: gateway.id)
        for route in gateway.routes {
            let form = DeclarationForm.route(route.name, route.elements)
            let object = "route " + Self.name(gateway.id.rawValue, route.name)
            let warning =
                RouteGraphCheck.canRun(route.elements, branches: branches)
                ? [] : ["the graph is incomplete and cannot be run"]
            guard let old = stored.first(where: { $0.name == route.name }) else {
                note(.create, object, ["\(route.elements.count) elements"] + warning)
                changes.append(.init(action: .createRoute(route.name, route.elements, gateway.id), path: route.path))
                continue
            }
            let differences = DeclarationDifferences(from: present.form(of: old), to: form).lines
            guard !differences.isEmpty else { continue }
            note(.update, object, differences + warning)
            changes.append(.init(action: .changeRoute(old.id, route.elements, gateway.id), path: route.path))
        }
        guard pruning == .deleteOthers else { return }
        for old in stored where !gateway.routes.contains(where: { $0.name == old.name }) {
            note(.delete, "route " + Self.name(gateway.id.rawValue, old.name), [])
            deletions.append(.init(action: .deleteRoute(old.id, gateway.id), path: []))
        }
    }
}
