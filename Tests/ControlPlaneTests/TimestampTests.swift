import ControlPlane
import GatewayCore
import Testing

@Suite("Timestamp reading")
struct TimestampTests {
    @Test(
        "date-times are read with any offset and precision",
        arguments: [
            ("1970-01-01T00:00:00Z", Int64(0)),
            ("2026-01-02T03:04:05.123Z", 1_767_323_045_123_000),
            ("2026-01-02T04:04:05.123456+01:00", 1_767_323_045_123_456),
            ("2026-01-02T04:04:05 01:00", 1_767_323_045_000_000),
            ("2026-01-01t22:04:05.5-05:00", 1_767_323_045_500_000),
            ("2024-02-29", 1_709_164_800_000_000),
            ("1969-12-31T23:59:59.999Z", -1000),
        ])
    func reading(text: String, microseconds: Int64) {
        #expect(Timestamp.instant(text) == Instant(microseconds: microseconds))
    }

    @Test(
        "what is no date-time is refused",
        arguments: [
            "", "2026", "2026-13-01", "2026-02-29", "2026-01-32", "2026-01-02T25:00:00Z", "2026-01-02T03:04:05",
            "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05Zx", "string", "1767323045",
        ])
    func refusal(text: String) {
        #expect(Timestamp.instant(text) == nil)
    }

    @Test(
        "what is written reads back", arguments: [Int64(-62_135_596_800_000), 0, 951_782_400_000, 253_402_300_799_999])
    func roundTrip(milliseconds: Int64) {
        let instant = Instant(milliseconds: milliseconds)
        #expect(Timestamp.instant(Timestamp.text(instant)) == instant)
    }
}
