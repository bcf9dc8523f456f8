package import GatewayCore

/// What a request cost, and where the figure comes from (data-plane §7.4, providers.md §5.3).
package enum Cost {
    /// Prices that a request brought along.
    ///
    /// - Units: dollars per token; `total` is dollars for the whole request and excludes the others.
    /// - Source: `cf-aig-custom-cost`, data-plane §7.4 · documented
    package struct Custom: Sendable, Equatable {
        package var perTokenIn: PicoDecimal?
        package var perTokenOut: PicoDecimal?
        /// With either of these, cached tokens are priced apart; the missing one is `perTokenIn`.
        package var perCacheRead: PicoDecimal?
        package var perCacheWrite: PicoDecimal?
        package var total: PicoDecimal?

        package init(
            perTokenIn: PicoDecimal? = nil, perTokenOut: PicoDecimal? = nil, perCacheRead: PicoDecimal? = nil,
            perCacheWrite: PicoDecimal? = nil, total: PicoDecimal? = nil
        ) {
            self.perTokenIn = perTokenIn
            self.perTokenOut = perTokenOut
            self.perCacheRead = perCacheRead
            self.perCacheWrite = perCacheWrite
            self.total = total
        }
    }

    /// Where an answer came from.
    package enum Served: Sendable { case provider, responseCache }

    /// The logged cost: custom prices, else the provider's own figure, else the catalogue; nil when none applies.
    ///
    /// An answer from the gateway's response cache costs nothing, custom prices included.
    package static func settle(
        _ usage: Usage, served: Served, custom: Custom?, row: PriceRow?, at instant: Instant,
        place: ProcessingPlace = .anywhere
    ) -> PicoUSD? {
        if served == .responseCache { return .zero }
        if let custom { return self.custom(usage, custom) }
        if let reported = usage.upstreamCost { return reported }
        guard let row else { return nil }
        return price(usage, row: row, at: instant, place: place)
    }

    /// The cost by custom prices, exact to the pico-dollar; nil when no priced count is known.
    package static func custom(_ usage: Usage, _ prices: Custom) -> PicoUSD? {
        if let total = prices.total { return PicoUSD(picoDollars: total.units) }
        var sum = Int128(0)
        var isKnown = false
        if let input = usage.input, let rate = prices.perTokenIn {
            isKnown = true
            var plain = max(0, input)
            if prices.perCacheRead != nil || prices.perCacheWrite != nil {
                let read = min(max(0, usage.cached ?? 0), plain)
                let written = (usage.cacheWrite5m ?? 0) + (usage.cacheWrite1h ?? 0) + (usage.cacheWrite12h ?? 0)
                let write = min(max(0, written), plain - read)
                plain -= read + write
                sum += Int128(read) * Int128((prices.perCacheRead ?? rate).units)
                sum += Int128(write) * Int128((prices.perCacheWrite ?? rate).units)
            }
            sum += Int128(plain) * Int128(rate.units)
        }
        if let output = usage.output, let rate = prices.perTokenOut {
            isKnown = true
            sum += Int128(max(0, output)) * Int128(rate.units)
        }
        return isKnown ? PicoUSD(picoDollars: Int64(clamping: sum)) : nil
    }

    /// The cost by a row of the price catalogue, rounded once, half up.
    ///
    /// - Parameter instant: when the request started; it decides on off-peak hours and announced price changes.
    /// - Returns: nil when the row lacks a rate that the usage needs, or nothing that it prices is known.
    package static func price(
        _ usage: Usage, row: PriceRow, at instant: Instant, place: ProcessingPlace = .anywhere
    ) -> PicoUSD? {
        price(usage, row: PricedModel(row), at: instant, place: place)
    }

    /// The cost by a row that is shared.
    package static func price(
        _ usage: Usage, row model: PricedModel, at instant: Instant, place: ProcessingPlace = .anywhere
    ) -> PicoUSD? {
        let terms = EffectiveRates(model, usage: usage, at: instant, place: place)
        var bill = Bill(rates: terms.rates)
        bill.addTokens(usage)
        bill.addUnits(usage, searchBySize: model.row.searchBySize)
        return bill.total(times: terms.multipliers)
    }
}
