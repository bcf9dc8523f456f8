/// A price row that many requests share: handing it on costs one reference, not a copy of all its tables.
package final class PricedModel: Sendable {
    package let row: PriceRow
    package var rates: PriceRates { row.rates }

    package init(_ row: PriceRow) { self.row = row }
}
