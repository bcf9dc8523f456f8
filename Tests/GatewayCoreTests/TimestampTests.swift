import GatewayCore
import Testing

@Suite("Timestamps")
struct TimestampTests {
    @Test(
        "are RFC 3339 in UTC with milliseconds",
        arguments: [
            (Int64(0), "1970-01-01T00:00:00.000Z"), (1_767_323_045_123_456, "2026-01-02T03:04:05.123Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000Z"), (4_107_542_399_999_999, "2100-02-28T23:59:59.999Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ])
    func text(microseconds: Int64, text: String) {
        #expect(Timestamp.text(Instant(microseconds: microseconds)) == text)
    }
}
