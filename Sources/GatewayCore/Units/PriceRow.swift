/// What one model of one provider costs: a row of the price catalogue (providers.md §5.1).
package struct PriceRow: Sendable, Equatable {
    /// How a service tier changes the rates.
    package enum Adjustment: Sendable, Equatable {
        case multiply(PriceMultiplier)
        case replace(PriceRates)
    }

    /// Rates for the whole request when its input is larger than `over` tokens.
    package struct Tier: Sendable, Equatable {
        package var over: Int
        package var rates: PriceRates
        package init(over: Int, rates: PriceRates) {
            self.over = over
            self.rates = rates
        }
    }

    /// Rates at the hours in which the provider charges less.
    package struct OffPeak: Sendable, Equatable {
        /// Minutes of the UTC day on some days of the week.
        package struct Window: Sendable, Equatable {
            package var minutes: [Range<Int>]
            /// 1 is Monday, 7 is Sunday.
            package var weekdays: [Int]
            package init(minutes: [Range<Int>], weekdays: [Int]) {
                self.minutes = minutes
                self.weekdays = weekdays
            }
        }
        package var rates: PriceRates
        package var windows: [Window]
        package init(rates: PriceRates, windows: [Window]) {
            self.rates = rates
            self.windows = windows
        }

        /// Whether a request that starts at `instant` is charged at these rates.
        package func applies(at instant: Instant) -> Bool {
            let minute: Int64 = 60_000_000
            let minutes = Int(instant.microseconds / minute)
            // 1970-01-01 was a Thursday, day 4.
            let weekday = (minutes / 1440 + 3) % 7 + 1
            return windows.contains { window in
                window.weekdays.contains(weekday) && window.minutes.contains { $0.contains(minutes % 1440) }
            }
        }
    }

    /// Rates that have been announced for the time from `since` on.
    package struct Change: Sendable, Equatable {
        package var since: Instant
        package var rates: PriceRates
        package init(since: Instant, rates: PriceRates) {
            self.since = since
            self.rates = rates
        }
    }

    package var provider: ProviderID
    package var model: String
    /// What the model does; `chat` unless the catalogue says otherwise.
    package var mode = "chat"
    package var rates = PriceRates()
    /// In rising order of `over`.
    package var tiers: [Tier] = []
    /// By `batch`, `flex`, `priority`, `fast`.
    package var serviceTiers: [String: Adjustment] = [:]
    package var offPeak: OffPeak?
    package var change: Change?
    /// By `us`, `fast`, `regional`.
    package var multipliers: [String: PriceMultiplier] = [:]
    /// Factors by the prefix of an inference profile.
    package var geographies: [String: PriceMultiplier] = [:]
    /// The prefix that the looked-up name had.
    package var geography: String?
    /// Dollars per thousand searches by context size, where the price depends on it.
    package var searchBySize: [String: PicoDecimal] = [:]
    /// When the model got this price, where that is known.
    package var since: Instant?
    /// When the model is retired.
    package var until: Instant?
    /// Tokens.
    package var contextWindow: Int?
    /// Tokens.
    package var maxOutput: Int?
    /// Flags of providers.md §5.1 `caps`; nil when the catalogue says nothing.
    package var capabilities: Set<String>?

    package init(provider: ProviderID, model: String) {
        self.provider = provider
        self.model = model
    }

    /// Forgets rates that cannot be true, wherever they stand; returns how many.
    package mutating func dropStrangeRates() -> Int {
        var count = rates.dropStrange()
        for index in tiers.indices { count += tiers[index].rates.dropStrange() }
        for (name, adjustment) in serviceTiers {
            guard case .replace(var replacement) = adjustment else { continue }
            count += replacement.dropStrange()
            serviceTiers[name] = .replace(replacement)
        }
        count += offPeak?.rates.dropStrange() ?? 0
        count += change?.rates.dropStrange() ?? 0
        return count
    }
}

/// Where a request is computed, as far as prices depend on it.
package enum ProcessingPlace: Sendable, Equatable { case anywhere, region }
