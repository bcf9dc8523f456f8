import GatewayCore

/// The rates of a row that hold for one request, and the factors on their sum.
struct EffectiveRates {
    var rates: PriceRates
    var multipliers: [PriceMultiplier] = []

    init(row: PriceRow, usage: Usage, at instant: Instant, place: ProcessingPlace) {
        rates = row.rates
        if let change = row.change, instant >= change.since { rates.overlay(change.rates) }
        if let offPeak = row.offPeak, offPeak.applies(at: instant) { rates.overlay(offPeak.rates) }
        if !row.tiers.isEmpty, let input = usage.billedInput ?? usage.input,
            let tier = row.tiers.filter({ input > $0.over }).max(by: { $0.over < $1.over })
        {
            rates.overlay(tier.rates)
        }
        if !row.serviceTiers.isEmpty, let name = usage.serviceTier, let adjustment = row.serviceTiers[name] {
            apply(adjustment)
        }
        if usage.speed == "fast", usage.serviceTier != "fast" {
            if let factor = row.multipliers["fast"] {
                multipliers.append(factor)
            } else if let adjustment = row.serviceTiers["fast"] {
                apply(adjustment)
            }
        }
        if let geography = usage.inferenceGeo, let factor = row.multipliers[geography] { multipliers.append(factor) }
        if place == .region, let factor = row.multipliers["regional"] { multipliers.append(factor) }
        if let geography = row.geography, let factor = row.geographies[geography] { multipliers.append(factor) }
    }

    private mutating func apply(_ adjustment: PriceRow.Adjustment) {
        switch adjustment {
        case .multiply(let factor): multipliers.append(factor)
        case .replace(let replacement): rates.overlay(replacement)
        }
    }
}
