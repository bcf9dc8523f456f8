/// A span of time as operators write it: `500ms`, `5s`, `2m`, `1h`.
package enum DurationText {
    private static let units: [(suffix: String, milliseconds: Int)] = [
        ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ]

    /// Nil for anything else, zero and spans beyond a hundred years included.
    package static func duration(_ text: String) -> Duration? {
        for unit in units where text.hasSuffix(unit.suffix) {
            guard let number = wholeNumber(text.dropLast(unit.suffix.count)) else { continue }
            let (product, overflow) = number.multipliedReportingOverflow(by: unit.milliseconds)
            guard !overflow, product > 0, product < 3_153_600_000_000 else { return nil }
            return .milliseconds(product)
        }
        return nil
    }
}
