import GatewayCore

/// How the values of per-request settings are read, wherever they stand (data-plane §2.1, §4.1, §4.4).
package enum SettingValue {
    /// Seconds for which an answer may be kept, other than 0, unless the operator says otherwise · documented (one
    /// month: assumed).
    package static let cacheTTLRange = 60...2_592_000
    /// Tries of one call, likewise · documented.
    package static let attemptsRange = 1...5
    /// Milliseconds between two tries, likewise · documented.
    package static let retryDelayRange = 0...60_000
    /// A request timeout is at most one day · assumed.
    package static let longestTimeoutMilliseconds = 86_400_000

    /// `true`, `false`, `1`, `0` in any case; anything else is nil.
    static func boolean(_ value: UnsafeRawBufferPointer) -> Bool? {
        let whole = 0..<value.count
        if ("true" as StaticString).matches(value, whole) || ("1" as StaticString).matches(value, whole) { return true }
        if ("false" as StaticString).matches(value, whole) || ("0" as StaticString).matches(value, whole) {
            return false
        }
        return nil
    }

    /// Decimal digits and nothing else; nil for signs, spaces, and numbers beyond 64 bits.
    static func number(_ value: UnsafeRawBufferPointer) -> Int? {
        guard !value.isEmpty else { return nil }
        var number = 0
        for byte in value {
            let digit = byte &- 0x30
            guard digit < 10 else { return nil }
            let (tens, overflow) = number.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(Int(digit))
            if overflow || carry { return nil }
            number = sum
        }
        return number
    }

    /// Well-formed UTF-8 of at most `limit` bytes; nil when empty.
    static func text(_ value: UnsafeRawBufferPointer, limit: Int) -> String? {
        guard !value.isEmpty, value.count <= limit else { return nil }
        return String(validating: value, as: UTF8.self)
    }

    /// That many hexadecimal digits, in lower case; nil for anything else and for zero, which names nothing.
    static func hexadecimal(_ value: UnsafeRawBufferPointer, digits: Int) -> String? {
        guard value.count == digits, value.contains(where: { $0 != 0x30 }) else { return nil }
        var text: [UInt8] = []
        text.reserveCapacity(digits)
        for byte in value {
            switch byte {
            case 0x30...0x39, 0x61...0x66: text.append(byte)
            case 0x41...0x46: text.append(byte | 0x20)
            default: return nil
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// `constant`, `linear` or `exponential` in any case.
    static func backoff(_ value: UnsafeRawBufferPointer) -> RetryBackoff? {
        let whole = 0..<value.count
        if ("constant" as StaticString).matches(value, whole) { return .constant }
        if ("linear" as StaticString).matches(value, whole) { return .linear }
        return ("exponential" as StaticString).matches(value, whole) ? .exponential : nil
    }

    /// Seconds in range; 0 stays 0.
    static func cacheTTL(_ seconds: Int, _ bounds: SettingBounds) -> Int {
        let least = cacheTTLRange.lowerBound
        return seconds <= 0 ? 0 : clamp(seconds, to: least...max(least, bounds.longestCacheTTL))
    }

    /// A timeout of that many milliseconds; nil for 0, which is none.
    static func timeout(_ milliseconds: Int) -> Duration? {
        milliseconds > 0 ? .milliseconds(min(milliseconds, longestTimeoutMilliseconds)) : nil
    }

    /// Tries in range.
    static func attempts(_ count: Int, _ bounds: SettingBounds) -> Int {
        clamp(count, to: 1...max(1, bounds.mostAttempts))
    }

    /// A wait of that many milliseconds, in range.
    static func retryDelay(_ milliseconds: Int, _ bounds: SettingBounds) -> Duration {
        .milliseconds(clamp(milliseconds, to: 0...max(0, bounds.longestRetryDelay)))
    }

    private static func clamp(_ value: Int, to range: ClosedRange<Int>) -> Int {
        min(max(value, range.lowerBound), range.upperBound)
    }
}
