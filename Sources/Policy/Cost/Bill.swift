import GatewayCore

/// The running sum of a request's charges, exact until `total`.
///
/// - Units: pico-dollars × 10⁶, because most rates are per million.
struct Bill {
    let rates: PriceRates
    private var sum = Int128(0)
    private var hasCharge = false
    private var lacksRate = false

    init(rates: PriceRates) { self.rates = rates }

    private var pricesTokens: Bool { rates[.input] != nil || rates[.output] != nil }

    /// Adds `count` at the first known rate of the units; a count without any rate makes the whole bill unknown.
    private mutating func charge(
        _ count: Int, _ unit: PriceUnit, or second: PriceUnit? = nil, or third: PriceUnit? = nil,
        or fourth: PriceUnit? = nil, scale: Int128 = 1
    ) {
        guard count > 0 else { return }
        guard let rate = rates[unit] ?? rate(second) ?? rate(third) ?? rate(fourth) else {
            lacksRate = true
            return
        }
        // No real count comes near the bound; with it no sum of terms leaves the range.
        sum += Int128(min(count, 1_000_000_000_000)) * Int128(rate.units) * scale
    }

    private func rate(_ unit: PriceUnit?) -> PicoDecimal? { unit.flatMap { rates[$0] } }

    /// Adds prompt and generated tokens by kind (providers.md §5.3).
    mutating func addTokens(_ usage: Usage) {
        guard pricesTokens else { return }
        func known(_ value: Int?) -> Int { max(0, value ?? 0) }
        if let input = usage.billedInput ?? usage.input {
            hasCharge = true
            let cachedAudio = min(known(usage.cachedAudio), known(usage.cached))
            let cachedImage = min(known(usage.cachedImage), known(usage.cached) - cachedAudio)
            let audio = max(0, known(usage.inputAudio) - cachedAudio)
            let image = max(0, known(usage.inputImage) - cachedImage)
            // Parts never add up to more than the whole: what a provider over-reports is charged once.
            var left = max(0, input)
            func part(_ count: Int) -> Int {
                let taken = min(count, left)
                left -= taken
                return taken
            }
            charge(part(cachedAudio), .cachedAudio, or: .cached, or: .inputAudio, or: .input)
            charge(part(cachedImage), .cachedImage, or: .cached, or: .inputImage, or: .input)
            charge(part(known(usage.cached) - cachedAudio - cachedImage), .cached, or: .input)
            charge(part(known(usage.cacheWrite5m)), .write, or: .input)
            charge(part(known(usage.cacheWrite1h)), .write1h, or: .write, or: .input)
            charge(part(known(usage.cacheWrite12h)), .write12h, or: .write, or: .input)
            charge(part(audio), .inputAudio, or: .input)
            charge(part(image), .inputImage, or: .input)
            charge(part(known(usage.inputVideo)), .inputVideo, or: .input)
            charge(left, .input)
        }
        if let output = usage.billedOutput ?? usage.output {
            hasCharge = true
            var left = max(0, output)
            func part(_ count: Int) -> Int {
                let taken = min(count, left)
                left -= taken
                return taken
            }
            charge(part(known(usage.outputAudio)), .outputAudio, or: .output)
            charge(part(known(usage.outputImage)), .outputImage, or: .output)
            charge(part(known(usage.outputVideo)), .outputVideo, or: .output)
            charge(part(known(usage.reasoning)), .reasoning, or: .output)
            charge(left, .output)
        }
        charge(known(usage.citation), .citation)
    }

    /// Adds what is not counted in tokens.
    mutating func addUnits(_ usage: Usage, searchBySize: [String: PicoDecimal]) {
        if let characters = usage.characters, rates[.characters] != nil {
            hasCharge = true
            charge(characters, .characters)
        }
        if let milliseconds = usage.milliseconds, rates[.second] != nil || rates[.secondOut] != nil {
            hasCharge = true
            charge(milliseconds, .second, or: .secondOut, scale: 1000)
        }
        // Generated images that were also reported in tokens are charged as tokens.
        if let images = usage.images, rates[.image] != nil, usage.outputImage == nil || rates[.outputImage] == nil {
            hasCharge = true
            charge(images, .image, scale: 1_000_000)
        }
        if let images = usage.imagesIn, rates[.imageIn] != nil, usage.inputImage == nil || rates[.inputImage] == nil {
            hasCharge = true
            charge(images, .imageIn, scale: 1_000_000)
        }
        if let pages = usage.pages, rates[.page] != nil {
            hasCharge = true
            charge(pages, .page, scale: 1_000_000)
        }
        addRequests(usage, searchBySize)
    }

    /// Adds fees per request and per search; a fee by context size replaces the flat one.
    private mutating func addRequests(_ usage: Usage, _ searchBySize: [String: PicoDecimal]) {
        let requests = max(0, usage.searchUnits ?? usage.requests ?? 1)
        if let size = usage.searchContext, let fee = searchBySize[size] {
            sum += Int128(min(requests, 1_000_000_000_000)) * Int128(fee.units) * 1000
            hasCharge = true
            return
        }
        if rates[.request] != nil, !usage.isEmpty || !pricesTokens {
            charge(requests, .request, scale: 1_000_000)
            hasCharge = true
        }
        if searchBySize.isEmpty { charge(usage.webSearches ?? 0, .search, scale: 1000) }
    }

    /// The sum times all factors in pico-dollars, rounded half up; nil when it is not known.
    func total(times multipliers: [PriceMultiplier]) -> PicoUSD? {
        guard hasCharge, !lacksRate else { return nil }
        var numerator = sum
        var denominator: Int128 = 1_000_000
        for factor in multipliers {
            let above = numerator.multipliedReportingOverflow(by: Int128(factor.numerator))
            let below = denominator.multipliedReportingOverflow(by: Int128(factor.denominator))
            if above.overflow || below.overflow { return nil }
            numerator = above.partialValue
            denominator = below.partialValue
        }
        let (rounded, overflow) = numerator.addingReportingOverflow(denominator / 2)
        return overflow ? nil : PicoUSD(picoDollars: Int64(clamping: rounded / denominator))
    }
}
