package import GatewayCore

extension Timestamp {
    /// Reads a date-time with offset, or a bare date (midnight UTC); nil for anything else.
    package static func instant(_ text: String) -> Instant? {
        var rest = Array(text.utf8)[...]
        func take(_ count: Int) -> Int64? {
            guard rest.count >= count, rest.prefix(count).allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count).reduce(0) { $0 * 10 + Int64($1 - 0x30) }
        }
        func skip(_ bytes: String) -> Bool {
            guard let first = rest.first, bytes.utf8.contains(first) else { return false }
            rest = rest.dropFirst()
            return true
        }
        guard let year = take(4), skip("-"), let month = take(2), skip("-"), let day = take(2),
            (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        let dayNumber = days(year: year, month: month, day: day)
        guard day <= days(inMonth: month, of: year) else { return nil }
        if rest.isEmpty { return Instant(microseconds: dayNumber * 86_400_000_000) }
        guard skip("Tt "), let hour = take(2), skip(":"), let minute = take(2), skip(":"), let second = take(2),
            hour < 24, minute < 60, second <= 60
        else { return nil }
        var micros: Int64 = 0
        if skip(".") {
            var scale: Int64 = 100_000
            guard let first = rest.first, (0x30...0x39).contains(first) else { return nil }
            while let digit = take(1) {
                micros += digit * scale
                scale /= 10
            }
        }
        var offset: Int64 = 0
        if !skip("Zz") {
            // A plus sign that a client forgot to encode in a query arrives as a space.
            let sign: Int64 = rest.first == UInt8(ascii: "-") ? -1 : 1
            guard skip("+- "), let hours = take(2), skip(":"), let minutes = take(2), hours < 24, minutes < 60 else {
                return nil
            }
            offset = sign * (hours * 3600 + minutes * 60)
        }
        guard rest.isEmpty else { return nil }
        let seconds = dayNumber * 86_400 + hour * 3600 + minute * 60 + second - offset
        return Instant(microseconds: seconds * 1_000_000 + micros)
    }

    /// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = shifted.flooredDivision(by: 400)
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func days(inMonth month: Int64, of year: Int64) -> Int64 {
        month == 12 ? 31 : days(year: year, month: month + 1, day: 1) - days(year: year, month: month, day: 1)
    }
}

extension Int64 {
    fileprivate func flooredDivision(by divisor: Int64) -> (Int64, Int64) {
        var (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        if remainder < 0 {
            quotient -= 1
            remainder += divisor
        }
        return (quotient, remainder)
    }
}
