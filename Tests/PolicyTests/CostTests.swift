import GatewayCore
import Policy
import Testing

/// A row from decimal texts.
private func row(_ rates: [PriceUnit: String]) -> PriceRow {
    var row = PriceRow(provider: "test", model: "m")
    for (unit, text) in rates { row.rates[unit] = PicoDecimal(text.utf8) }
    return row
}

private func decimal(_ text: String) -> PicoDecimal { PicoDecimal(text.utf8)! }

private func rates(_ values: [PriceUnit: String]) -> PriceRates {
    var rates = PriceRates()
    for (unit, text) in values { rates[unit] = decimal(text) }
    return rates
}

private func usage(input: Int? = nil, output: Int? = nil) -> Usage {
    var usage = Usage()
    usage.input = input
    usage.output = output
    return usage
}

private let now = Instant(milliseconds: 1_795_000_000_000)

@Suite struct CostTests {
    @Test("custom prices per token are exact: 1000 in and 500 out at the documented example cost 0.002")
    func customExample() {
        let prices = Cost.Custom(perTokenIn: decimal("0.000001"), perTokenOut: decimal("0.000002"))
        let cost = Cost.custom(usage(input: 1000, output: 500), prices)
        #expect(cost?.decimalString == "0.002")
    }

    @Test("custom prices resolve a single pico-dollar")
    func customPico() {
        let prices = Cost.Custom(perTokenIn: decimal("0.000000000001"), perTokenOut: decimal("0"))
        #expect(Cost.custom(usage(input: 3, output: 9), prices) == PicoUSD(picoDollars: 3))
    }

    @Test("a custom total is the whole cost, whatever the tokens")
    func customTotal() {
        let prices = Cost.Custom(perTokenIn: decimal("1"), total: decimal("0.05"))
        #expect(Cost.custom(usage(input: 1000), prices)?.decimalString == "0.05")
        #expect(Cost.custom(Usage(), prices)?.decimalString == "0.05")
    }

    @Test("custom cache prices take cached tokens out of the input; the missing one is the input price")
    func customCache() {
        var used = usage(input: 1000, output: 0)
        used.cached = 200
        used.cacheWrite5m = 100
        let prices = Cost.Custom(perTokenIn: decimal("0.00001"), perCacheRead: decimal("0.000001"))
        // 700 plain and 100 written at 10 µ$, 200 read at 1 µ$.
        #expect(Cost.custom(used, prices)?.decimalString == "0.0082")
        #expect(Cost.custom(used, Cost.Custom(perTokenIn: decimal("0.00001")))?.decimalString == "0.01")
    }

    @Test("custom prices without any known count give no cost")
    func customUnknown() {
        #expect(Cost.custom(Usage(), Cost.Custom(perTokenIn: decimal("1"))) == nil)
        #expect(Cost.custom(usage(output: 5), Cost.Custom(perTokenIn: decimal("1"))) == nil)
    }

    @Test("a cached answer costs nothing, even with custom prices")
    func cacheHit() {
        let cost = Cost.settle(
            usage(input: 10), served: .responseCache, custom: Cost.Custom(total: decimal("1")), row: nil, at: now)
        #expect(cost == .zero)
    }

    @Test("precedence is custom, then the provider's figure, then the catalogue, then unknown")
    func precedence() {
        var used = usage(input: 1_000_000, output: 0)
        let listed = row([.input: "3", .output: "15"])
        #expect(Cost.settle(used, served: .provider, custom: nil, row: nil, at: now) == nil)
        #expect(Cost.settle(used, served: .provider, custom: nil, row: listed, at: now)?.decimalString == "3")
        used.upstreamCost = PicoUSD(picoDollars: 2_000_000_000_000)
        #expect(Cost.settle(used, served: .provider, custom: nil, row: listed, at: now)?.decimalString == "2")
        let custom = Cost.Custom(perTokenIn: decimal("0.000001"))
        #expect(Cost.settle(used, served: .provider, custom: custom, row: listed, at: now)?.decimalString == "1")
    }

    @Test("a rate the usage needs and the row lacks makes the cost unknown, not smaller")
    func missingRate() {
        let inputOnly = row([.input: "0.02"])
        #expect(Cost.price(usage(input: 1000), row: inputOnly, at: now)?.decimalString == "0.00002")
        #expect(Cost.price(usage(input: 1000, output: 0), row: inputOnly, at: now)?.decimalString == "0.00002")
        #expect(Cost.price(usage(input: 1000, output: 1), row: inputOnly, at: now) == nil)
        var searched = usage(input: 1000)
        searched.webSearches = 1
        #expect(Cost.price(searched, row: inputOnly, at: now) == nil)
        #expect(Cost.price(Usage(), row: inputOnly, at: now) == nil)
    }

    @Test("a price of zero is a price")
    func freeModel() {
        #expect(Cost.price(usage(input: 5, output: 7), row: row([.input: "0", .output: "0"]), at: now) == .zero)
    }

    @Test("a tier applies to the whole request, from one token above its limit")
    func tiers() {
        var tiered = row([.input: "1", .output: "2"])
        tiered.tiers = [
            .init(over: 100, rates: rates([.input: "10"])),
            .init(over: 200, rates: rates([.input: "100", .output: "200"])),
        ]
        #expect(Cost.price(usage(input: 100, output: 10), row: tiered, at: now)?.picoDollars == 120_000_000)
        #expect(Cost.price(usage(input: 101, output: 10), row: tiered, at: now)?.picoDollars == 1_030_000_000)
        #expect(Cost.price(usage(input: 201, output: 10), row: tiered, at: now)?.picoDollars == 22_100_000_000)
    }

    @Test(
        "service tiers multiply or replace the rates; unknown and standard ones do nothing",
        arguments: [("flex", 500_000), ("priority", 7_000_000), ("default", 1_000_000), ("on_demand", 1_000_000)])
    func serviceTiers(tier: String, expected: Int64) {
        var tiered = row([.input: "1"])
        tiered.serviceTiers = [
            "flex": .multiply(PriceMultiplier(decimal("0.5"))), "priority": .replace(rates([.input: "7"])),
        ]
        var used = usage(input: 1)
        used.serviceTier = tier
        #expect(Cost.price(used, row: tiered, at: now)?.picoDollars == expected)
    }

    @Test("speed, region and inference profile each multiply once, rounded at the very end")
    func multipliers() {
        var factored = row([.input: "1"])
        factored.multipliers = [
            "fast": PriceMultiplier(decimal("2")), "us": PriceMultiplier(decimal("1.1")),
            "regional": PriceMultiplier(decimal("1.1")),
        ]
        factored.geographies = ["eu": PriceMultiplier(decimal("1.312"))]
        var used = usage(input: 1)
        used.speed = "fast"
        #expect(Cost.price(used, row: factored, at: now)?.picoDollars == 2_000_000)
        used.inferenceGeo = "us"
        #expect(Cost.price(used, row: factored, at: now)?.picoDollars == 2_200_000)
        #expect(Cost.price(used, row: factored, at: now, place: .region)?.picoDollars == 2_420_000)
        factored.geography = "eu"
        #expect(Cost.price(used, row: factored, at: now, place: .region)?.picoDollars == 3_175_040)
    }

    @Test("the price of fast mode holds once, whether the provider calls it a tier or a speed")
    func fastOnce() {
        var fast = row([.input: "1"])
        fast.serviceTiers = ["fast": .multiply(PriceMultiplier(decimal("2")))]
        var used = usage(input: 1)
        used.speed = "fast"
        #expect(Cost.price(used, row: fast, at: now)?.picoDollars == 2_000_000)
        used.serviceTier = "fast"
        #expect(Cost.price(used, row: fast, at: now)?.picoDollars == 2_000_000)
    }

    @Test("cached audio and images are charged at their own rates and leave the plain input")
    func modalities() {
        var used = usage(input: 1000, output: 100)
        used.cached = 300
        used.cachedAudio = 100
        used.inputAudio = 250
        used.inputImage = 50
        used.outputAudio = 40
        used.reasoning = 20
        let priced = row([
            .input: "1", .cached: "0.1", .cachedAudio: "0.5", .inputAudio: "10", .inputImage: "2", .output: "4",
            .outputAudio: "20", .reasoning: "3",
        ])
        // 100×0.5 + 200×0.1 + 150×10 + 50×2 + 500×1 + 40×20 + 20×3 + 40×4
        #expect(Cost.price(used, row: priced, at: now)?.picoDollars == 3_190_000_000)
    }

    @Test("cache writes fall back to the shorter lifetime's rate, then to the input rate")
    func cacheWrites() {
        var used = usage(input: 600)
        used.cacheWrite5m = 100
        used.cacheWrite1h = 200
        used.cacheWrite12h = 300
        #expect(Cost.price(used, row: row([.input: "1"]), at: now)?.picoDollars == 600_000_000)
        #expect(Cost.price(used, row: row([.input: "1", .write: "2"]), at: now)?.picoDollars == 1_200_000_000)
        let full = row([.input: "1", .write: "2", .write1h: "3", .write12h: "4"])
        #expect(Cost.price(used, row: full, at: now)?.picoDollars == 2_000_000_000)
    }

    @Test("parts that exceed the whole are never charged beyond it")
    func overReported() {
        var used = usage(input: 100, output: 10)
        used.cached = 80
        used.inputAudio = 500
        used.reasoning = 50
        let priced = row([.input: "1", .cached: "1", .inputAudio: "1", .output: "1"])
        #expect(Cost.price(used, row: priced, at: now)?.picoDollars == 110_000_000)
    }

    @Test("characters, seconds, pictures, pages and requests are charged by the unit")
    func units() {
        var used = Usage()
        used.characters = 1000
        #expect(Cost.price(used, row: row([.characters: "40"]), at: now)?.decimalString == "0.04")
        used = Usage()
        used.milliseconds = 60_000
        #expect(Cost.price(used, row: row([.second: "7.167e-05"]), at: now)?.decimalString == "0.0043002")
        used = Usage()
        used.images = 2
        #expect(Cost.price(used, row: row([.image: "0.039"]), at: now)?.decimalString == "0.078")
        used = Usage()
        used.pages = 3
        #expect(Cost.price(used, row: row([.page: "0.001"]), at: now)?.decimalString == "0.003")
        used = Usage()
        used.searchUnits = 2
        #expect(Cost.price(used, row: row([.request: "0.0025"]), at: now)?.decimalString == "0.005")
    }

    @Test("pictures that were counted in tokens are not charged again by the piece")
    func picturesOnce() {
        var used = usage(input: 0, output: 1000)
        used.images = 1
        used.outputImage = 1000
        let priced = row([.input: "1", .output: "2", .outputImage: "30", .image: "0.039"])
        #expect(Cost.price(used, row: priced, at: now)?.decimalString == "0.03")
    }

    @Test("a request fee by context size replaces the flat one")
    func searchContext() {
        var priced = row([.input: "3", .output: "15", .request: "0.014"])
        priced.searchBySize = ["low": decimal("6"), "high": decimal("14")]
        var used = usage(input: 100, output: 200)
        used.requests = 1
        used.searchContext = "low"
        #expect(Cost.price(used, row: priced, at: now)?.decimalString == "0.0093")
        used.searchContext = nil
        #expect(Cost.price(used, row: priced, at: now)?.decimalString == "0.0173")
    }

    @Test(
        "off-peak hours follow UTC minutes and weekdays",
        arguments: [
            ("Tuesday 03:00", 1_795_489_200, false), ("Tuesday 12:00", 1_795_521_600, true),
            ("Tuesday 00:59:59", 1_795_481_999, true), ("Tuesday 01:00", 1_795_482_000, false),
            ("Saturday 03:00", 1_795_834_800, true),
        ] as [(String, Int64, Bool)])
    func offPeak(name: String, seconds: Int64, cheap: Bool) {
        let offPeak = PriceRow.OffPeak(
            rates: rates([.input: "0.5"]),
            windows: [
                .init(minutes: [0..<60, 240..<360, 600..<1440], weekdays: [1, 2, 3, 4, 5]),
                .init(minutes: [0..<1440], weekdays: [6, 7]),
            ])
        #expect(offPeak.applies(at: Instant(milliseconds: seconds * 1000)) == cheap, "\(name)")
    }

    @Test("an announced price holds from its day on")
    func change() {
        var priced = row([.input: "1"])
        priced.change = .init(since: now, rates: rates([.input: "2"]))
        let before = Instant(microseconds: now.microseconds - 1)
        #expect(Cost.price(usage(input: 1), row: priced, at: before)?.picoDollars == 1_000_000)
        #expect(Cost.price(usage(input: 1), row: priced, at: now)?.picoDollars == 2_000_000)
    }

    @Test("a fraction of a pico-dollar is rounded half up, once")
    func rounding() {
        let tiny = row([.input: "0.0000005", .output: "0.0000005"])
        // 0.5 + 0.5 pico-dollars: rounding each would give 2.
        #expect(Cost.price(usage(input: 1, output: 1), row: tiny, at: now)?.picoDollars == 1)
        #expect(Cost.price(usage(input: 1, output: 0), row: tiny, at: now)?.picoDollars == 1)
    }

    @Test("absurd counts saturate instead of trapping")
    func saturation() {
        let cost = Cost.price(usage(input: .max, output: .max), row: row([.input: "9000", .output: "9000"]), at: now)
        #expect(cost == nil || cost == PicoUSD(picoDollars: .max))
        let custom = Cost.custom(
            usage(input: .max, output: .max), Cost.Custom(perTokenIn: decimal("9000000"), perTokenOut: decimal("1")))
        #expect(custom == PicoUSD(picoDollars: .max))
    }

    @Test("cost never falls when a count rises")
    func monotone() {
        var generator = Seeded(state: 7)
        let priced = row([.input: "3", .output: "15", .cached: "0.3", .write: "3.75", .write1h: "6"])
        for _ in 0..<500 {
            var used = usage(input: Int.random(in: 0..<5000, using: &generator), output: 10)
            used.cached = Int.random(in: 0..<1000, using: &generator)
            used.normalize()
            let base = Cost.price(used, row: priced, at: now)!
            var more = used
            more.input = used.input! + 1
            #expect(Cost.price(more, row: priced, at: now)! > base)
            more = used
            more.output = used.output! + 1
            #expect(Cost.price(more, row: priced, at: now)! > base)
        }
    }
}

/// A reproducible generator (SplitMix64).
private struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
