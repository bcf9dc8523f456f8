package import GatewayCore

/// The value of a provider's `Retry-After`.
package enum RetryAfter {
    /// How long the provider asks to wait: whole seconds, or the time until a date; zero for a date that has passed.
    ///
    /// Nil when the value is neither.
    /// - Source: RFC 9110 §10.2.3 · documented
    package static func parse(_ value: UnsafeRawBufferPointer, now: Instant) -> Duration? {
        if let first = value.first, first &- 0x30 < 10 { return seconds(value) }
        guard let date = HTTPDate.parse(value) else { return nil }
        return .microseconds(max(0, date.microseconds - now.microseconds))
    }

    /// Beyond a century it does not matter any more how long.
    private static let mostSeconds = 3_155_760_000

    private static func seconds(_ value: UnsafeRawBufferPointer) -> Duration? {
        var seconds = 0
        for byte in value {
            guard byte &- 0x30 < 10 else { return nil }
            seconds = min(seconds * 10 + Int(byte &- 0x30), mostSeconds)
        }
        return .seconds(seconds)
    }
}
