import GatewayCore
import WireFormats

/// LiteLLM's public price file, as a list of the gateway's own form that extends the built-in one.
///
/// What that file cannot say of a model (aliases, patterns, factors, capabilities) is kept from the built-in row of the
/// same name. Models of providers that the gateway does not know are left out.
/// - Source: BerriAI/litellm `model_prices_and_context_window.json` · observed
package struct LiteLLMPrices: Sendable {
    /// Why the file cannot be read.
    package enum Failure: Error, Equatable, Sendable {
        case notAnObject
        /// An object, but none whose members are models with a `litellm_provider`.
        case noModels
    }

    /// Models in the list.
    package var count: Int { rows.count }
    /// Providers in the list.
    package var providers: Int { Set(rows.keys.map(\.provider)).count }
    /// How many models were left out, by the provider's name in the file.
    package private(set) var unknownProviders: [String: Int] = [:]
    /// Models that were left out because they have no price, or one for a place or size that lists have no row for.
    package private(set) var unpriced = 0

    private struct Key: Hashable {
        var provider: ProviderID
        var model: String
    }

    private var rows: [Key: LiteLLMRow] = [:]

    /// - Parameters:
    ///   - bytes: the file.
    ///   - builtIn: whose rows are completed and replaced.
    package init(
        _ bytes: [UInt8], registry: ProviderRegistry = .builtIn, builtIn: PriceCatalog
    ) throws(Failure) {
        var found = 0
        let isObject = bytes.withUnsafeBytes { raw in
            guard JSONScan.validate(raw), JSONView(raw).kind == .object else { return false }
            JSONView(raw).forEachMember { name, entry in
                guard name != "sample_spec", let provider = entry.member("litellm_provider")?.string else { return }
                found += 1
                add(name, entry, of: provider, registry)
            }
            return true
        }
        guard isObject else { throw .notAnObject }
        guard found > 0 else { throw .noModels }
        settleGeographies(builtIn)
        complete(from: builtIn)
    }

    private mutating func add(_ name: String, _ entry: JSONView, of named: String, _ registry: ProviderRegistry) {
        guard let provider = Self.provider(named, registry), provider.prices.catalogue == .listed else {
            unknownProviders[named, default: 0] += 1
            return
        }
        guard let model = Self.model(name, of: named, provider, registry), var row = LiteLLMRow(entry) else {
            unpriced += 1
            return
        }
        var bare = model
        if let prefix = provider.prices.geographies.first(where: { model.hasPrefix($0) }) {
            bare = String(model.dropFirst(prefix.count))
            row.geography = String(prefix.dropLast())
        }
        let key = Key(provider: provider.id, model: bare)
        guard let other = rows[key] else {
            rows[key] = row
            return
        }
        // The price without a place is the one that factors are applied to.
        if other.geography != nil, row.geography == nil {
            rows[key] = row
        } else if other.geography != nil, let geography = row.geography {
            rows[key]?.geographies.append(geography)
        }
    }

    /// A model that has a price under some places only exists nowhere else; what the built-in list says of places holds.
    private mutating func settleGeographies(_ builtIn: PriceCatalog) {
        for (key, row) in rows {
            guard let geography = row.geography else { continue }
            if builtIn.exact(key.provider, key.model) != nil {
                rows[key] = nil
            } else {
                rows[key]?.members["geo_only"] = JSONPatch.quoted(
                    ([geography] + row.geographies).joined(separator: " "))
            }
        }
    }

    private mutating func complete(from builtIn: PriceCatalog) {
        builtIn.forEachLine { line in
            let view = JSONView(line)
            guard let provider = view.member("provider")?.string, let model = view.member("model")?.string else {
                return
            }
            rows[Key(provider: ProviderID(provider), model: model)]?.complete(from: view)
        }
    }

    /// The provider that LiteLLM means, which may name one of its surfaces behind or before a dash.
    private static func provider(_ name: String, _ registry: ProviderRegistry) -> ProviderDefinition? {
        func before(_ mark: Character) -> String { String(name.prefix { $0 != mark }) }
        let candidates = [name, before("-"), String(name.split(separator: "-").last ?? ""), before("_")]
        for candidate in candidates {
            if let known = registry.provider(segment: candidate) { return known }
            if let known = registry.all.first(where: { $0.prices.importedAs == candidate }) { return known }
        }
        return nil
    }

    /// The provider's own name of a model; nil for rows of a single region, resolution or number of steps.
    private static func model(
        _ name: String, of provider: String, _ definition: ProviderDefinition, _ registry: ProviderRegistry
    ) -> String? {
        var model = name
        if let slash = name.firstIndex(of: "/") {
            let prefix = String(name[..<slash])
            if prefix == provider || Self.provider(prefix, registry)?.id == definition.id {
                model = String(name[name.index(after: slash)...])
            }
        }
        let first = model.split(separator: "/").first ?? ""
        guard !first.contains("-x-"), !["us", "eu", "global", "global-standard", "hd", "standard"].contains(first),
            !definition.prices.isRegion(first), !model.isEmpty, model.utf8.count <= 256
        else { return nil }
        return model
    }

    /// The list as a file: the built-in one holds for what is not in it.
    package func text(retrieved: String) -> String {
        var lines = [
            "{", "\"schema\":1,", "\"currency\":\"USD\",", "\"retrieved\":" + JSONPatch.quoted(retrieved) + ",",
            "\"sources\":[{\"id\":\"l\",\"name\":\"BerriAI/litellm model_prices_and_context_window\"}],",
            "\"extends\":\"built-in\",", "\"models\":[",
        ]
        let sorted = rows.sorted {
            ($0.key.provider.rawValue, $0.key.model) < ($1.key.provider.rawValue, $1.key.model)
        }
        for (index, entry) in sorted.enumerated() {
            let text = entry.value.text(provider: entry.key.provider.rawValue, model: entry.key.model)
            lines.append(text + (index + 1 < sorted.count ? "," : ""))
        }
        return (lines + ["]", "}", ""]).joined(separator: "\n")
    }
}
