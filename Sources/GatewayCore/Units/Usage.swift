/// What one provider call consumed, in the canonical form of providers.md §4.1.
///
/// Every member is nil until the provider reported it: unknown is not zero.
/// `input` includes cached and cache-write tokens; `output` includes reasoning.
package struct Usage: Hashable, Sendable {
    /// Tokens of the prompt, all kinds.
    package var input: Int?
    package var cached: Int?
    package var cacheWrite5m: Int?
    package var cacheWrite1h: Int?
    package var cacheWrite12h: Int?
    /// Generated tokens, all kinds.
    package var output: Int?
    package var reasoning: Int?
    package var inputAudio: Int?
    package var outputAudio: Int?
    package var cachedAudio: Int?
    package var inputImage: Int?
    package var outputImage: Int?
    package var cachedImage: Int?
    package var inputVideo: Int?
    package var outputVideo: Int?
    package var citation: Int?
    package var webSearches: Int?
    package var characters: Int?
    /// Media duration in thousandths of a second.
    package var milliseconds: Int?
    package var images: Int?
    package var pages: Int?
    package var requests: Int?
    package var searchUnits: Int?
    /// Tokens that the provider bills where it reports them apart from those it processed.
    ///
    /// Not part of a record.
    package var billedInput: Int?
    package var billedOutput: Int?
    /// Pictures that went in, where they are billed by the piece.
    ///
    /// Not part of a record.
    package var imagesIn: Int?
    /// `low`, `medium` or `high`, where the price of a request depends on it.
    ///
    /// Not part of a record.
    package var searchContext: String?
    /// The provider's own figure for the call.
    package var upstreamCost: PicoUSD?
    package var serviceTier: String?
    package var inferenceGeo: String?
    package var speed: String?

    package init() {}

    /// Whether the provider reported anything that could be counted or priced.
    package var isEmpty: Bool { self == Self.unknown }
    private static let unknown = Usage()

    /// Holds the invariants of providers.md §4.1: subsets never exceed their whole, nothing is negative.
    package mutating func normalize() {
        func floor(_ value: inout Int?) { if let known = value, known < 0 { value = 0 } }
        floor(&input)
        floor(&output)
        floor(&cached)
        floor(&cacheWrite5m)
        floor(&cacheWrite1h)
        floor(&cacheWrite12h)
        floor(&reasoning)
        if let whole = output, let part = reasoning { reasoning = min(part, whole) }
        guard let whole = input else { return }
        var left = whole
        func take(_ value: inout Int?) {
            guard let part = value else { return }
            value = min(part, left)
            left -= min(part, left)
        }
        take(&cached)
        take(&cacheWrite5m)
        take(&cacheWrite1h)
        take(&cacheWrite12h)
    }
}
