import GatewayCore
import WireFormats

/// Reads one row of the price catalogue (providers.md §5.1).
enum PriceRowReader {
    /// The row; nil when it has no name or a price in it is not a non-negative number.
    ///
    /// - Parameter strange: counts the rates that were left out because they are beyond `PriceRates.sound`.
    static func read(_ line: UnsafeRawBufferPointer, strange: inout Int) -> PriceRow? {
        let view = JSONView(line)
        guard let provider = view.member("provider")?.string, let model = view.member("model")?.string,
            !provider.isEmpty, !model.isEmpty
        else { return nil }
        var row = PriceRow(provider: ProviderID(provider), model: model)
        var isSound = true
        view.forEachMember { key, value in
            if !read(key, value, into: &row) { isSound = false }
        }
        strange += row.dropStrangeRates()
        row.tiers.sort { $0.over < $1.over }
        return isSound ? row : nil
    }

    private static func read(_ key: String, _ value: JSONView, into row: inout PriceRow) -> Bool {
        switch key {
        case PriceUnit.search.rawValue where value.kind == .object:
            return eachNumber(value) { row.searchBySize[$0] = $1 }
        case "mode": row.mode = value.string ?? row.mode
        case "tiers": return tiers(value, into: &row)
        case "batch", "flex", "priority", "fast":
            if value.kind == .object {
                guard let rates = rates(value) else { return false }
                row.serviceTiers[key] = .replace(rates)
            } else {
                guard let factor = number(value) else { return false }
                row.serviceTiers[key] = .multiply(PriceMultiplier(factor))
            }
        case "off_peak":
            guard let offPeak = offPeak(value) else { return false }
            row.offPeak = offPeak
        case "mult": return eachNumber(value) { row.multipliers[$0] = PriceMultiplier($1) }
        case "geo": return eachNumber(value) { row.geographies[$0] = PriceMultiplier($1) }
        case "next":
            guard let since = value.member("since")?.string.flatMap({ instant($0) }), let rates = rates(value) else {
                return false
            }
            row.change = PriceRow.Change(since: since, rates: rates)
        case "since": row.since = value.string.flatMap { instant($0) }
        case "until": row.until = value.string.flatMap { instant($0) }
        case "ctx": row.contextWindow = value.int
        case "max_out": row.maxOutput = value.int
        case "caps":
            row.capabilities = Set((value.string ?? "").split(separator: " ").map(String.init))
        default:
            guard let unit = PriceUnit(rawValue: key) else { return true }
            guard let rate = number(value) else { return false }
            row.rates[unit] = rate
        }
        return true
    }

    private static func number(_ view: JSONView) -> PicoDecimal? {
        view.kind == .number ? PicoDecimal(view.bytes) : nil
    }

    private static func eachNumber(_ view: JSONView, _ body: (String, PicoDecimal) -> Void) -> Bool {
        var isSound = view.kind == .object
        view.forEachMember { key, value in
            if let number = number(value) { body(key, number) } else { isSound = false }
        }
        return isSound
    }

    /// The rates in an object; other members of it are ignored.
    private static func rates(_ view: JSONView) -> PriceRates? {
        guard view.kind == .object else { return nil }
        var rates = PriceRates()
        var isSound = true
        view.forEachMember { key, value in
            guard let unit = PriceUnit(rawValue: key) else { return }
            if let number = number(value) { rates[unit] = number } else { isSound = false }
        }
        return isSound ? rates : nil
    }

    private static func tiers(_ view: JSONView, into row: inout PriceRow) -> Bool {
        var isSound = view.kind == .array
        var tiers: [PriceRow.Tier] = []
        view.forEachElement { element in
            guard let over = element.member("over")?.int, let rates = rates(element) else {
                isSound = false
                return
            }
            tiers.append(PriceRow.Tier(over: over, rates: rates))
        }
        row.tiers = tiers
        return isSound
    }

    private static func offPeak(_ view: JSONView) -> PriceRow.OffPeak? {
        guard let rates = rates(view), let list = view.member("windows"), list.kind == .array else { return nil }
        var windows: [PriceRow.OffPeak.Window] = []
        var isSound = true
        list.forEachElement { element in
            var minutes: [Range<Int>] = []
            element.member("hours_utc")?.forEachElement { hours in
                guard let range = hours.string.flatMap({ minuteRange($0) }) else {
                    isSound = false
                    return
                }
                minutes.append(contentsOf: range)
            }
            var weekdays: [Int] = []
            element.member("weekdays")?.forEachElement { day in
                guard let number = day.int, (1...7).contains(number) else {
                    isSound = false
                    return
                }
                weekdays.append(number)
            }
            windows.append(PriceRow.OffPeak.Window(minutes: minutes, weekdays: weekdays))
        }
        return isSound ? PriceRow.OffPeak(rates: rates, windows: windows) : nil
    }

    /// `HH:MM-HH:MM` in minutes; an end of `00:00` is midnight, an end before the start wraps around it.
    static func minuteRange(_ text: String) -> [Range<Int>]? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { part -> Int? in
            let numbers = part.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
            guard numbers.count == 2, let hour = numbers[0], let minute = numbers[1], (0...24).contains(hour),
                (0...59).contains(minute)
            else { return nil }
            return hour * 60 + minute
        }
        guard ends.count == 2, let start = ends[0], var end = ends[1], start < 1440 else { return nil }
        if end == 0 { end = 1440 }
        guard end <= 1440 else { return nil }
        return start <= end ? [start..<end] : [start..<1440, 0..<end]
    }

    /// Midnight UTC of a date `YYYY-MM-DD`.
    static func instant(_ date: String) -> Instant? {
        let parts = date.split(separator: "-").map { Int($0) }
        guard parts.count == 3, let year = parts[0], let month = parts[1], let day = parts[2],
            (1970...9999).contains(year), (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        // Days since 1970-01-01, counting years from March so that the leap day comes last.
        let shifted = month <= 2 ? year - 1 : year
        let yearOfEra = shifted % 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let days = shifted / 400 * 146_097 + dayOfEra - 719_468
        return Instant(milliseconds: Int64(days) * 86_400_000)
    }
}
