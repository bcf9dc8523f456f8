package import ExternalSecrets
package import GatewayCore
import PostgresStore
import SecretVault

/// Reads a file of declarations and checks it as the management API checks its calls, all of it before anything else
/// happens.
package struct DeclarationReader: Sendable {
    private let rules: ReferenceRules
    private let egress: EgressRule
    private let limits: ProductLimits
    private let canonicalProvider: @Sendable (String) -> ProviderID

    /// - Parameters:
    ///   - rules: where secrets may point to.
    ///   - limits: what is refused above them.
    ///   - canonicalProvider: replaces the other names of a provider by the one that routes use.
    package init(
        rules: ReferenceRules, egress: EgressRule, limits: ProductLimits,
        canonicalProvider: @escaping @Sendable (String) -> ProviderID
    ) {
        self.rules = rules
        self.egress = egress
        self.limits = limits
        self.canonicalProvider = canonicalProvider
    }

    /// Whether a file says itself where it ends.
    package enum Ending: Sendable {
        case optional
        /// It has to end with YAML's end mark, so that what it does not name is not just missing yet.
        case marked
    }

    /// The declarations of a file, or everything that is wrong with it.
    package func read(_ bytes: [UInt8], _ ending: Ending = .optional) throws(DeclarationFailure) -> Declarations {
        if ending == .marked, !DeclarationDocument.isMarkedAsComplete(bytes) {
            throw .refused([
                DeclarationProblem(
                    [],
                    "The last line has to be ... (three dots): declarations.prune deletes what the file does not name, "
                        + "and without this end mark the file may be incomplete"
                )
            ])
        }
        let document = try DeclarationDocument(bytes)
        var reading = Reading(document: document)
        try version(&reading)
        reading.know([], document.content, DeclarationForm.sections)
        let gateways = reading.list("gateways", of: document.content, at: [])
        reading.declarations.gateways = gateways?.compactMap { gateway($0.value, $0.path, &reading) }
        let providers = reading.list("custom_providers", of: document.content, at: [])
        reading.declarations.customProviders = providers?.compactMap { customProvider($0.value, $0.path, &reading) }
        reading.refuseRepetition(of: reading.declarations.gateways ?? [], "id") {
            $0.id.rawValue
        } path: {
            $0.path
        }
        reading.refuseRepetition(of: reading.declarations.customProviders ?? [], "slug") {
            $0.settings.slug
        } path: {
            $0.path
        }
        guard reading.problems.isEmpty else { throw .refused(reading.problems) }
        return reading.declarations
    }

    private func version(_ reading: inout Reading) throws(DeclarationFailure) {
        guard reading.document.content.members != nil else {
            throw .refused([DeclarationProblem([], line: 1, "Expected an object with version, gateways, …")])
        }
        guard let version = reading.document.content["version"] else {
            throw .refused([DeclarationProblem(["version"], "Required; this aigatewayd reads version 1")])
        }
        guard version.integer == Declarations.version else {
            throw .refused([
                reading.located(
                    ["version"], "Version \(DeclarationText.shown(version)) is not known; this aigatewayd reads 1")
            ])
        }
    }

    // MARK: Gateways

    private func gateway(_ value: JSONValue, _ path: [String], _ reading: inout Reading) -> DeclaredGateway? {
        reading.know(path, value, DeclarationForm.gatewayMembers + DeclarationForm.gatewaySettings)
        guard let members = value.members else {
            reading.report(path, "Expected an object")
            return nil
        }
        if value["authentication"] == nil { reading.report(path + ["authentication"], "Required") }
        var store: String?
        var own = FieldReader(value, path: path)
        own.string("store", lengths: 1...256, into: &store)
        if store != nil, value["store_id"] != nil { own.report("store", "store and store_id exclude each other") }
        reading.adopt(own)
        // What the API asks for has its standard here; the rest of the body is the API's own.
        let standard = DeclarationForm.gateway("", DeclarationForm.standardGateway, store: nil).members ?? []
        let body =
            members.filter { !["store", "provider_configs", "routes"].contains($0.name) }
            + standard.filter { $0.name != "id" && value[$0.name] == nil }
        let identified = JSONValue.object(body.map { SpendRuleNames.filled($0) })
        let draft = reading.draft(path) { () throws(ControlError) in
            try GatewayDraft.creation(identified, limits: limits, egress: egress)
        }
        let configs = reading.list("provider_configs", of: value, at: path) ?? []
        let routes = reading.list("routes", of: value, at: path) ?? []
        let declaredConfigs = configs.compactMap { providerConfig($0.value, $0.path, &reading) }
        let declaredRoutes = routes.compactMap { route($0.value, $0.path, &reading) }
        reading.refuseRepetition(of: declaredConfigs, "alias") {
            $0.draft.provider.rawValue + "\n" + $0.draft.alias.rawValue
        } path: {
            $0.path
        }
        reading.refuseRepetition(of: declaredRoutes, "name") {
            $0.name
        } path: {
            $0.path
        }
        reading.refuseRepetition(of: declaredConfigs.filter(\.draft.isDefault), "default_config") {
            $0.draft.provider.rawValue
        } path: {
            $0.path
        }
        guard let draft else { return nil }
        return DeclaredGateway(
            path: path, id: draft.0, settings: draft.1, store: store, providerConfigs: declaredConfigs,
            routes: declaredRoutes
        )
    }

    private func providerConfig(
        _ value: JSONValue, _ path: [String], _ reading: inout Reading
    ) -> DeclaredProviderConfig? {
        reading.know(path, value, DeclarationForm.providerConfigMembers)
        guard value.members != nil else {
            reading.report(path, "Expected an object")
            return nil
        }
        var form = FieldReader(value["alias"] == nil ? value.replacing("alias", with: "default") : value, path: path)
        let draft = ProviderConfigDraft(&form, canonicalProvider)
        var secret: String?
        form.string("secret", lengths: 1...SecretDraft.maximumName, into: &secret)
        var store: String?
        form.string("store", lengths: 1...256, into: &store)
        var reference: String?
        form.string("reference", lengths: 1...4096, into: &reference)
        var key = DeclaredProviderConfig.Key.secret(secret, store: store)
        if let reference {
            if secret != nil || store != nil {
                form.report("reference", "reference stands alone, without secret and store")
            }
            key = .reference(self.reference(reference, &form))
        }
        reading.adopt(form)
        return DeclaredProviderConfig(path: path, draft: draft, key: key)
    }

    /// A place outside, in its usual form.
    private func reference(_ text: String, _ form: inout FieldReader) -> String {
        do throws(SecretSealer.Problem) {
            if let place = try SecretSealer.check(text, rules).reference { return place }
            // The text may be a key that somebody put into the file: it is not repeated.
            form.report("reference", "Expected env:NAME, file:/path or vault:path; a key itself is never in this file")
        } catch {
            switch error {
            case .reference(let advice): form.report("reference", advice)
            case .empty, .tooLong: form.report("reference", "Expected env:NAME, file:/path or vault:path")
            }
        }
        return ""
    }

    private func route(_ value: JSONValue, _ path: [String], _ reading: inout Reading) -> DeclaredRoute? {
        reading.know(path, value, DeclarationForm.routeMembers)
        var form = FieldReader(value, path: path)
        let (name, elements) = DynamicRouteAdministration.read(&form)
        reading.adopt(form)
        return DeclaredRoute(path: path, name: name, elements: elements)
    }

    // MARK: Custom providers

    private func customProvider(
        _ value: JSONValue, _ path: [String], _ reading: inout Reading
    ) -> DeclaredCustomProvider? {
        reading.know(path, value, DeclarationForm.customProviderMembers)
        guard let members = value.members else {
            reading.report(path, "Expected an object")
            return nil
        }
        var body = members.filter { !["headers", "costs"].contains($0.name) }
        if value["name"] == nil, let slug = value["slug"] { body.append(.init("name", slug)) }
        // In a file, headers may be an object; the API has them as the text of one.
        let headers = value["headers"].map { $0.members == nil ? $0 : .string($0.encoded) }
        if let headers { body.append(.init("headers", headers)) }
        let complete = JSONValue.object(body)
        let draft = reading.draft(path) { () throws(ControlError) in
            try CustomProviderDraft.creation(complete, egress)
        }
        let list = reading.list("costs", of: value, at: path) ?? []
        let costs = list.compactMap { customCost($0.value, $0.path, &reading) }
        guard let draft else { return nil }
        var declared = DeclaredCustomProvider(path: path, settings: draft.settings, costs: costs)
        if case .text(let text) = draft.headers { declared.headers = text.reveal() }
        return declared
    }

    private func customCost(_ value: JSONValue, _ path: [String], _ reading: inout Reading) -> DeclaredCustomCost? {
        reading.know(path, value, DeclarationForm.customCostMembers)
        guard value.members != nil else {
            reading.report(path, "Expected an object")
            return nil
        }
        // Where it stands says whose it is.
        let body = value.replacing("account_provider_id", with: "-")
        return reading.draft(path) { () throws(ControlError) in try CustomCostDraft.creation(body) }
            .map { DeclaredCustomCost(path: path, settings: $0) }
    }
}

extension DeclarationReader {
    /// What has been read so far, and what was wrong with it.
    fileprivate struct Reading {
        let document: DeclarationDocument
        var declarations = Declarations()
        var problems: [DeclarationProblem] = []

        init(document: DeclarationDocument) { self.document = document }

        func located(_ path: [String], _ message: String) -> DeclarationProblem {
            DeclarationProblem(path, line: document.line(of: path), message)
        }

        mutating func report(_ path: [String], _ message: String) { problems.append(located(path, message)) }

        mutating func adopt(_ form: FieldReader) {
            for problem in form.problems { report(problem.path, problem.message) }
        }

        /// Reports members that nobody knows, and remembers where the others stand.
        mutating func know(_ path: [String], _ value: JSONValue, _ names: [String]) {
            declarations.lines[path] = document.line(of: path)
            for member in value.members ?? [] {
                declarations.lines[path + [member.name]] = document.line(of: path + [member.name])
                guard !names.contains(member.name) else { continue }
                let hint = NearestKey.nearest(to: member.name, among: names).map { "; did you mean \($0)?" } ?? ""
                report(path + [member.name], "Unrecognized key" + hint)
            }
        }

        /// The elements of a list with their paths; nil when the list is not there.
        mutating func list(
            _ name: String, of value: JSONValue, at path: [String]
        ) -> [(value: JSONValue, path: [String])]? {
            guard let list = value[name] else { return nil }
            guard let elements = list.elements else {
                report(path + [name], "Expected array; [] is an empty one")
                return nil
            }
            return elements.enumerated().map { ($1, path + [name, String($0)]) }
        }

        /// What a draft makes of a body; nil when it refuses.
        mutating func draft<Draft>(_ path: [String], _ body: () throws(ControlError) -> Draft) -> Draft? {
            do throws(ControlError) {
                return try body()
            } catch {
                guard case .invalid(let found) = error else {
                    report(path, "It cannot be read: \(error)")
                    return nil
                }
                for problem in found { report(path + problem.path.dropFirst(), problem.message) }
                return nil
            }
        }

        mutating func refuseRepetition<Object>(
            of objects: [Object], _ member: String, by key: (Object) -> String, path: (Object) -> [String]
        ) {
            var seen: Set<String> = []
            for object in objects where !key(object).isEmpty && !seen.insert(key(object)).inserted {
                let message =
                    member == "default_config"
                    ? "The provider has another default config in this gateway"
                    : "It is declared twice"
                report(path(object) + [member], message)
            }
        }
    }
}

/// Names for spend rules that have none, so that the same file gives the same names each time.
///
/// A name is made of what a rule counts, not of how much it allows: a changed limit goes on counting where it was.
private enum SpendRuleNames {
    static func filled(_ member: JSONValue.Member) -> JSONValue.Member {
        guard member.name == "spend_limits", let rules = member.value["rules"]?.elements else { return member }
        var taken = Set(rules.compactMap { $0["id"]?.text })
        let named = rules.map { rule -> JSONValue in
            guard let members = rule.members, rule["id"] == nil || rule["id"]?.isNull == true else { return rule }
            let counted = JSONValue.object(members.filter { !["id", "limit", "enabled"].contains($0.name) }).settled
            var number = 0
            var name = ""
            repeat {
                let digest = Digest.sha256(counted.bytes + Array("\(number)".utf8))
                name = Hexadecimal.text(of: digest.prefix(4))
                number += 1
            } while !taken.insert(name).inserted
            return rule.replacing("id", with: .string(name))
        }
        return .init(member.name, member.value.replacing("rules", with: .array(named)))
    }
}
