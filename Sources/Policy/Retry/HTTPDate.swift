package import GatewayCore

/// Dates in HTTP header fields.
package enum HTTPDate {
    /// The instant of a date in any of the three forms that a recipient has to accept; nil for anything else.
    ///
    /// `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`. The name of the
    /// weekday is not checked against the date; a leap second is the second after it; years of two digits are 1970 to
    /// 2069.
    /// - Source: RFC 9110 §5.6.7 · documented
    package static func parse(_ value: UnsafeRawBufferPointer) -> Instant? {
        guard value.count <= longest else { return nil }
        let words = value.split(whereSeparator: { $0 == 0x20 || $0 == 0x2c })
        switch words.count {
        case 6:  // the preferred form
            guard isGMT(words[5]) else { return nil }
            return instant(day: words[1], month: words[2], year: number(words[3], digits: 4), time: words[4])
        case 4:  // RFC 850
            let date = words[1].split(separator: 0x2d, omittingEmptySubsequences: false)
            guard isGMT(words[3]), date.count == 3, let short = number(date[2], digits: 2) else { return nil }
            return instant(day: date[0], month: date[1], year: short < 70 ? 2000 + short : 1900 + short, time: words[2])
        case 5:  // asctime
            return instant(day: words[2], month: words[1], year: number(words[4], digits: 4), time: words[3])
        default: return nil
        }
    }

    private static let longest = 64

    private typealias Text = Slice<UnsafeRawBufferPointer>

    private static func isGMT(_ word: Text) -> Bool { word.elementsEqual("GMT".utf8) }

    private static func instant(day: Text, month: Text, year: Int?, time: Text) -> Instant? {
        let clock = time.split(separator: 0x3a, omittingEmptySubsequences: false)
        guard let year, let month = self.month(month), let day = number(day, digits: day.count), clock.count == 3,
            let hour = number(clock[0], digits: 2), let minute = number(clock[1], digits: 2),
            let second = number(clock[2], digits: 2),
            (1970...9999).contains(year), (1...days(in: month, of: year)).contains(day), hour < 24, minute < 60,
            second <= 60
        else { return nil }
        let seconds = ((daysSince1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
        return Instant(milliseconds: Int64(seconds) * 1000)
    }

    /// One or two, or exactly four digits.
    private static func number(_ word: Text, digits: Int) -> Int? {
        guard word.count == digits, digits == 1 || digits == 2 || digits == 4 else { return nil }
        var number = 0
        for byte in word {
            guard byte &- 0x30 < 10 else { return nil }
            number = number * 10 + Int(byte &- 0x30)
        }
        return number
    }

    private static func month(_ word: Text) -> Int? {
        let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        return names.firstIndex { word.elementsEqual($0.utf8) }.map { $0 + 1 }
    }

    private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    private static func days(in month: Int, of year: Int) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private static func daysSince1970(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let before = year - 1
        let leapDays = before / 4 - before / 100 + before / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400)
        let months = (1..<month).reduce(0) { $0 + days(in: $1, of: year) }
        return (year - 1970) * 365 + leapDays + months + day - 1
    }
}
