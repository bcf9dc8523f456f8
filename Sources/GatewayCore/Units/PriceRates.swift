/// Something that providers charge for; the raw value is the rate's name in `prices.json`.
package enum PriceUnit: String, CaseIterable, Sendable {
    // Dollars per million tokens.
    case input = "in"
    case output = "out"
    case cached
    case write
    case write1h = "write_1h"
    case write12h = "write_12h"
    case inputAudio = "in_audio"
    case outputAudio = "out_audio"
    case cachedAudio = "cached_audio"
    case inputImage = "in_image"
    case outputImage = "out_image"
    case cachedImage = "cached_image"
    case inputVideo = "in_video"
    case outputVideo = "out_video"
    case reasoning
    case citation
    // Dollars per million characters.
    case characters = "per_mchar"
    case charactersOut = "per_mchar_out"
    // Dollars per second of media that went in, or came out.
    case second = "per_second"
    case secondOut = "per_second_out"
    // Dollars per piece.
    case image = "per_image"
    case imageIn = "per_image_in"
    case page = "per_page"
    case request = "per_request"
    // Dollars per thousand searches.
    case search = "web_search"

    package var index: Int {
        switch self {
        case .input: 0
        case .output: 1
        case .cached: 2
        case .write: 3
        case .write1h: 4
        case .write12h: 5
        case .inputAudio: 6
        case .outputAudio: 7
        case .cachedAudio: 8
        case .inputImage: 9
        case .outputImage: 10
        case .cachedImage: 11
        case .inputVideo: 12
        case .outputVideo: 13
        case .reasoning: 14
        case .citation: 15
        case .characters: 16
        case .charactersOut: 17
        case .second: 18
        case .secondOut: 19
        case .image: 20
        case .imageIn: 21
        case .page: 22
        case .request: 23
        case .search: 24
        }
    }
}

/// A set of prices, one per unit; a missing one is unknown, not zero.
///
/// - Units: pico-dollars per unit as `PriceUnit` defines it.
package struct PriceRates: Sendable, Equatable {
    private static let unknown: Int64 = -1
    private var units: [Int64]

    package init() { units = Array(repeating: Self.unknown, count: PriceUnit.allCases.count) }

    package subscript(unit: PriceUnit) -> PicoDecimal? {
        get {
            let value = units[unit.index]
            return value == Self.unknown ? nil : PicoDecimal(units: value)
        }
        set { units[unit.index] = newValue?.units ?? Self.unknown }
    }

    package var isEmpty: Bool { units.allSatisfy { $0 == Self.unknown } }

    /// Dollars per million tokens of text beyond which a price is taken for a mistake of its source, most often one of
    /// the unit (providers.md §17.2).
    package static let sound: Int64 = 1000

    /// Forgets rates for text that are beyond `sound`; returns how many.
    package mutating func dropStrange() -> Int {
        var count = 0
        for unit in [PriceUnit.input, .output, .cached, .write, .write1h, .write12h, .reasoning, .citation]
        where units[unit.index] > Self.sound * 1_000_000_000_000 {
            units[unit.index] = Self.unknown
            count += 1
        }
        return count
    }

    /// Replaces the rates that `other` knows.
    package mutating func overlay(_ other: PriceRates) {
        for (index, value) in other.units.enumerated() where value != Self.unknown { units[index] = value }
    }
}

/// A factor on prices as an exact fraction in lowest terms.
package struct PriceMultiplier: Sendable, Equatable {
    package var numerator: Int64
    package var denominator: Int64

    package init(_ decimal: PicoDecimal) {
        var (left, right): (Int64, Int64) = (decimal.units, 1_000_000_000_000)
        while right != 0 { (left, right) = (right, left % right) }
        numerator = decimal.units / left
        denominator = 1_000_000_000_000 / left
    }

    package static let one = PriceMultiplier(PicoDecimal(units: 1_000_000_000_000))
}
