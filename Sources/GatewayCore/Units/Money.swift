/// An amount of US dollars in integer pico-dollars (10⁻¹² USD).
///
/// - Range: ± 9.2 million USD; arithmetic beyond it saturates.
/// - SQL: `numeric`, written by `decimalString`.
package struct PicoUSD: Hashable, Sendable, Comparable, CustomStringConvertible {
    package var picoDollars: Int64

    package init(picoDollars: Int64) { self.picoDollars = picoDollars }
    package static let zero = PicoUSD(picoDollars: 0)

    package static func < (left: PicoUSD, right: PicoUSD) -> Bool { left.picoDollars < right.picoDollars }

    package static func + (left: PicoUSD, right: PicoUSD) -> PicoUSD {
        let (sum, overflow) = left.picoDollars.addingReportingOverflow(right.picoDollars)
        return PicoUSD(picoDollars: overflow ? (left.picoDollars < 0 ? .min : .max) : sum)
    }

    /// The exact amount in dollars, without exponent and without trailing zeros: `0.000435`.
    package var decimalString: String {
        let magnitude = picoDollars.magnitude
        let fraction = String(magnitude % 1_000_000_000_000)
        var text = (picoDollars < 0 ? "-" : "") + String(magnitude / 1_000_000_000_000)
        guard magnitude % 1_000_000_000_000 != 0 else { return text }
        var digits = String(repeating: "0", count: 12 - fraction.utf8.count) + fraction
        while digits.utf8.last == 0x30 { digits.removeLast() }
        text += "." + digits
        return text
    }

    package var description: String { decimalString + " USD" }
}

/// A non-negative decimal read from JSON without going through binary floating point.
///
/// - Shape: `units` × 10⁻¹²; digits beyond the twelfth decimal are rounded half up.
package struct PicoDecimal: Hashable, Sendable {
    package var units: Int64
    package init(units: Int64) { self.units = units }

    /// Reads `12`, `0.15`, `1e-6`, `2.5E-07`; nil for anything else, negative numbers and overflow included.
    package init?(_ text: some Collection<UInt8>) {
        var digits: Int64 = 0
        var scale = 0
        var seenPoint = false
        var seenDigit = false
        var roundUp = false
        var exponent = 0
        var index = text.startIndex
        scan: while index < text.endIndex {
            let byte = text[index]
            switch byte {
            case 0x30...0x39:
                seenDigit = true
                if digits > 92_000_000_000_000_000 {
                    // More precision than twelve decimals can need: keep the place value, drop the digit.
                    if !seenPoint { return nil }
                } else {
                    digits = digits * 10 + Int64(byte - 0x30)
                    if seenPoint { scale += 1 }
                }
            case 0x2e where !seenPoint: seenPoint = true
            case 0x65, 0x45:
                guard seenDigit, let parsed = Int(String(decoding: text[text.index(after: index)...], as: UTF8.self)),
                    (-39...39).contains(parsed)
                else { return nil }
                exponent = parsed
                break scan
            default: return nil
            }
            index = text.index(after: index)
        }
        guard seenDigit else { return nil }
        var shift = 12 - scale + exponent
        while shift > 0 {
            let (product, overflow) = digits.multipliedReportingOverflow(by: 10)
            if overflow { return nil }
            digits = product
            shift -= 1
        }
        while shift < 0 {
            roundUp = digits % 10 >= 5
            digits /= 10
            shift += 1
        }
        units = digits + (roundUp ? 1 : 0)
    }
}
