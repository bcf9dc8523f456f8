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
    private let catalog: PriceCatalog
    private let patterns = PricePatterns()
    private var known: [Key: PriceRow?] = [:]

    package init(_ catalog: PriceCatalog) { self.catalog = catalog }

    /// The price of a provider's model; nil when there is none.
    package func row(for provider: ProviderDefinition, model: String) -> PriceRow? {
        let key = Key(provider: provider.id, model: model)
        if let row = known[key] { return row }
        let row = catalog.row(for: provider, model: model, patterns: patterns)
        if known.count >= Self.limit { known.removeAll(keepingCapacity: true) }
        known[key] = row
        return row
    }
}
