package import GatewayCore

/// The price catalogue as one worker uses it: remembers what it has looked up, misses too.
///
/// Not sendable: it belongs to the one loop or task that made it.
/// - Limit: 512 remembered names; then it starts afresh.
package final class PriceBook {
    private struct Key: Hashable {
        var provider: ProviderID
        var model: String
    }

    private static let limit = 512
    package let catalog: PriceCatalog
    private let patterns = PricePatterns()
    private var known: [Key: PricedModel?] = [:]
    /// The name that was asked for last, which most often is the next one too.
    private var latest: Key?
    private var latestRow: PricedModel?

    package init(_ catalog: PriceCatalog) { self.catalog = catalog }

    /// The price of a provider's model; nil when there is none.
    package func row(for provider: ProviderDefinition, model: String) -> PricedModel? {
        if let latest, latest.model == model, latest.provider == provider.id { return latestRow }
        let key = Key(provider: provider.id, model: model)
        let row = known[key] ?? look(up: key, provider)
        latest = key
        latestRow = row
        return row
    }

    private func look(up key: Key, _ provider: ProviderDefinition) -> PricedModel? {
        let row = catalog.row(for: provider, model: key.model, patterns: patterns).map { PricedModel($0) }
        if known.count >= Self.limit { known.removeAll(keepingCapacity: true) }
        known[key] = .some(row)
        return row
    }
}
