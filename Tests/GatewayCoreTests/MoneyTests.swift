import GatewayCore
import Testing

@Suite("Money")
struct MoneyTests {
    @Test(
        "is written exactly",
        arguments: [
            (Int64(435_000_000), "0.000435"), (0, "0"), (1, "0.000000000001"), (-1_500_000_000_000, "-1.5"),
            (12_000_000_000_000, "12"), (Int64.max, "9223372.036854775807"),
        ])
    func decimalText(pico: Int64, text: String) {
        #expect(PicoUSD(picoDollars: pico).decimalString == text)
    }

    @Test("adds up to its range and saturates there")
    func saturation() {
        let most = PicoUSD(picoDollars: .max)
        #expect(most + PicoUSD(picoDollars: 1) == most)
        #expect(PicoUSD(picoDollars: 2) + PicoUSD(picoDollars: 3) == PicoUSD(picoDollars: 5))
    }

    @Test(
        "is read from decimals without binary rounding",
        arguments: [
            ("0.15", Int64(150_000_000_000)), ("12", 12_000_000_000_000), ("1e-6", 1_000_000), ("2.5E-07", 250_000),
            ("0.0000000000015", 2), ("0.1", 100_000_000_000), ("3.", 3_000_000_000_000),
        ])
    func decimals(text: String, units: Int64) {
        #expect(PicoDecimal(Array(text.utf8))?.units == units)
    }

    @Test("refuses what is no non-negative decimal", arguments: ["", "-1", "abc", "1e", "1e99", ".", "99999999999999"])
    func refusals(text: String) {
        #expect(PicoDecimal(Array(text.utf8)) == nil)
    }
}
