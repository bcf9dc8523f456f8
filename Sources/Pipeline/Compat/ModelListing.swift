import GatewayCore
import NIOCore
import Providers

/// The models that the OpenAI-compatible endpoint can serve, as its `models` lists them.
///
/// The same for every gateway, and written once: registry and price list do not change under a running worker.
@WorkerLoop
final class ModelListing {
    private let providers: ProviderRegistry
    private let prices: PriceBook
    private var known: ByteBuffer?

    init(_ providers: ProviderRegistry, _ prices: PriceBook) {
        self.providers = providers
        self.prices = prices
    }

    /// - Parameter instant: now; models that are retired by then are not listed.
    func json(at instant: Instant) -> ByteBuffer {
        if let known { return known }
        let json = ModelList(providers, prices.catalog, at: instant).json
        known = json
        return json
    }
}
