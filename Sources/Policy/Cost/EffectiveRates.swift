import GatewayCore

/// The rates of a row that hold for one request, and the factors on their sum.
struct EffectiveRates {
    var rates: PriceRates
    var multipliers: [PriceMultiplier] = []

    init(_ model: PricedModel, usage: borrowing Usage, at instant: Instant, place: ProcessingPlace) {
        rates = model.row.rates
        if let change = model.row.change, instant >= change.since { rates.overlay(change.rates) }
        if let offPeak = model.row.offPeak, offPeak.applies(at: instant) { rates.overlay(offPeak.rates) }
        if !model.row.tiers.isEmpty, let input = usage.billedInput ?? usage.input,
            let tier = model.row.tiers.filter({ input > $0.over }).max(by: { $0.over < $1.over })
        {
            rates.overlay(tier.rates)
        }
        if !model.row.serviceTiers.isEmpty, let name = usage.serviceTier,
            let adjustment = model.row.serviceTiers[name]
        {
            apply(adjustment)
        }
        if usage.speed == "fast", usage.serviceTier != "fast" {
            if let factor = model.row.multipliers["fast"] {
                multipliers.append(factor)
            } else if let adjustment = model.row.serviceTiers["fast"] {
                apply(adjustment)
            }
        }
        if let geography = usage.inferenceGeo, let factor = model.row.multipliers[geography] {
            multipliers.append(factor)
        }
        if place == .region, let factor = model.row.multipliers["regional"] { multipliers.append(factor) }
        if let geography = model.row.geography, let factor = model.row.geographies[geography] {
            multipliers.append(factor)
        }
    }

    private mutating func apply(_ adjustment: PriceRow.Adjustment) {
        switch adjustment {
        case .multiply(let factor): multipliers.append(factor)
        case .replace(let replacement): rates.overlay(replacement)
        }
    }
}
