/// How a custom cost says which models it is for (control-plane.md §8.2 · documented).
package enum ModelRule: String, Sendable, CaseIterable {
    case equals
    case startsWith = "starts-with"
    case contains
}

/// What some models of an account's own provider cost, as far as requests are priced by it.
package struct CustomCostRule: Sendable, Equatable {
    package var model: String
    package var rule: ModelRule
    package var rates: PriceRates

    package init(model: String, rule: ModelRule, rates: PriceRates) {
        self.model = model
        self.rule = rule
        self.rates = rates
    }

    /// Whether it prices a model of that name.
    package func applies(to name: String) -> Bool {
        switch rule {
        case .equals: name == model
        case .startsWith: name.hasPrefix(model)
        case .contains: name.contains(model)
        }
    }
}

extension CustomCostRule {
    private static let firstRate: UInt16 = 16

    func encode(into out: inout TaggedWriter) {
        out.write(1, model)
        out.write(2, rule.rawValue)
        for unit in PriceUnit.allCases {
            out.write(Self.firstRate + UInt16(unit.index), signed: rates[unit]?.units)
        }
    }

    init(decoding reader: TaggedReader) {
        self.init(model: "", rule: .equals, rates: PriceRates())
        var reader = reader
        while let field = reader.next() {
            switch field.number {
            case 1: model = field.string
            case 2: rule = ModelRule(rawValue: field.string) ?? .equals
            default:
                guard let unit = PriceUnit.allCases.first(where: { Self.firstRate + UInt16($0.index) == field.number })
                else { break }
                rates[unit] = PicoDecimal(units: field.signed)
            }
        }
    }
}
