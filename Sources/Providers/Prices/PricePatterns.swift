/// The compiled patterns of a price catalogue, each compiled when it is first needed.
package final class PricePatterns {
    private var compiled: [Int: Regex<AnyRegexOutput>] = [:]
    private var unusable: Set<Int> = []

    /// The same for the catalogue that another one extends.
    private(set) lazy var below = PricePatterns()

    package init() {}

    /// Whether the pattern of row `index` occurs in `name`.
    func finds(_ name: String, at index: Int, pattern: () -> String?) -> Bool {
        if let regex = compiled[index] { return (try? regex.firstMatch(in: name)) != nil }
        guard !unusable.contains(index) else { return false }
        guard let text = pattern(), let regex = try? Regex(text) else {
            unusable.insert(index)
            return false
        }
        compiled[index] = regex
        return (try? regex.firstMatch(in: name)) != nil
    }
}
