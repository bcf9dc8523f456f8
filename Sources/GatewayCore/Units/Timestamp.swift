/// Writes instants the way every JSON answer of the daemon shows them.
package enum Timestamp {
    /// RFC 3339 in UTC with milliseconds: `2026-01-02T03:04:05.123Z`.
    package static func text(_ instant: Instant) -> String {
        let milliseconds = instant.microseconds >= 0 ? instant.microseconds / 1000 : (instant.microseconds - 999) / 1000
        let (days, dayPart) = floorDivide(milliseconds, by: 86_400_000)
        let (year, month, day) = civil(days: days)
        let seconds = dayPart / 1000
        return pad(year, 4) + "-" + pad(month, 2) + "-" + pad(day, 2) + "T" + pad(seconds / 3600, 2) + ":"
            + pad(seconds / 60 % 60, 2) + ":" + pad(seconds % 60, 2) + "." + pad(dayPart % 1000, 3) + "Z"
    }

    private static func pad(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }

    private static func floorDivide(_ value: Int64, by divisor: Int64) -> (Int64, Int64) {
        let remainder = ((value % divisor) + divisor) % divisor
        return ((value - remainder) / divisor, remainder)
    }

    /// Year, month and day of a count of days since 1970, by the proleptic Gregorian calendar: 400-year eras whose
    /// years begin in March, so that the leap day is the last of its year.
    private static func civil(days: Int64) -> (Int64, Int64, Int64) {
        let (era, dayOfEra) = floorDivide(days + 719_468, by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shifted + 2) / 5 + 1
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
