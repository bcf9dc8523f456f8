import GatewayCore
import Policy
import Testing

private func milliseconds(_ values: Int...) -> [Duration] { values.map { .milliseconds($0) } }

@Suite("Retry schedule")
struct RetryScheduleTests {
    @Test(
        "waits by the formula of each backoff, never more than a minute",
        arguments: [
            (RetryBackoff.constant, 100, milliseconds(100, 100, 100, 100)),
            (.linear, 100, milliseconds(100, 200, 300, 400)),
            (.exponential, 100, milliseconds(100, 200, 400, 800)),
            (.constant, 0, milliseconds(0, 0, 0, 0)),
            (.exponential, 0, milliseconds(0, 0, 0, 0)),
            (.linear, 25_000, milliseconds(25_000, 50_000, 60_000, 60_000)),
            (.exponential, 20_000, milliseconds(20_000, 40_000, 60_000, 60_000)),
            (.constant, 60_000, milliseconds(60_000, 60_000, 60_000, 60_000)),
        ] as [(RetryBackoff, Int, [Duration])])
    func waits(backoff: RetryBackoff, delay: Int, expected: [Duration]) {
        let schedule = RetrySchedule(attempts: 5, delay: .milliseconds(delay), backoff: backoff)
        #expect((1...4).map { schedule.wait(after: $0) } == expected)
    }

    @Test("a hostile schedule neither overflows nor goes below one try")
    func extremes() {
        let schedule = RetrySchedule(attempts: -3, delay: .seconds(Int64.max), backoff: .exponential)
        #expect(schedule.attempts == 1)
        #expect(schedule.wait(after: .max) == .seconds(60))
        #expect(RetrySchedule(attempts: 2, delay: .seconds(-1), backoff: .linear).wait(after: .min) == .zero)
        #expect(RetrySchedule(attempts: 2, delay: .milliseconds(1), backoff: .linear).wait(after: .max) == .seconds(60))
    }

    @Test(
        "an answer is retried by its status",
        arguments: [
            (200, false), (204, false), (301, false), (304, false), (400, false), (401, false), (402, false),
            (403, false), (404, false), (408, true), (409, true), (413, false), (422, false), (424, false), (425, true),
            (426, false), (429, true), (499, false), (500, true), (501, true), (502, true), (503, true), (504, true),
            (529, true), (599, true), (600, false),
        ])
    func statuses(status: Int, isRetried: Bool) {
        #expect(RetrySchedule.isRetried(status: status) == isRetried)
    }

    @Test("there are exactly as many tries as asked for")
    func tries() {
        let schedule = RetrySchedule(attempts: 3, delay: .zero, backoff: .constant)
        #expect((1...4).map(schedule.hasTry(after:)) == [true, true, false, false])
    }

    @Test(
        "a provider's wish is kept to when it fits the minute and the timeout",
        arguments: [
            (2_000, nil, 2_000), (50, nil, 100), (0, nil, 100), (60_000, nil, 60_000), (60_001, nil, 100),
            (2_000, 2_000, 2_000), (2_000, 1_999, 100), (50, 10, 100),
        ] as [(Int, Int?, Int)])
    func retryAfter(wish: Int, timeout: Int?, expected: Int) {
        let schedule = RetrySchedule(attempts: 3, delay: .milliseconds(100), backoff: .constant)
        let wait = schedule.wait(
            after: 1, retryAfter: .milliseconds(wish), timeout: timeout.map { .milliseconds($0) }
        )
        #expect(wait == .milliseconds(expected))
    }

    @Test(
        "the timeout holds for every try but the last of several that nothing follows",
        arguments: [
            (1, 1, RetrySchedule.Fallback.none, true), (1, 1, .remains, true), (3, 1, .none, true),
            (3, 2, .none, true), (3, 3, .none, false), (3, 3, .remains, true), (3, 1, .remains, true),
        ])
    func timeouts(attempts: Int, attempt: Int, fallback: RetrySchedule.Fallback, holds: Bool) {
        let schedule = RetrySchedule(attempts: attempts, delay: .zero, backoff: .constant)
        let timeout = schedule.timeout(forAttempt: attempt, of: .seconds(1), fallback: fallback)
        #expect(timeout == (holds ? .seconds(1) : nil))
        #expect(schedule.timeout(forAttempt: attempt, of: nil, fallback: fallback) == nil)
    }
}

@Suite("Retry-After")
struct RetryAfterTests {
    /// Sun, 06 Nov 1994 08:49:37 GMT.
    private static let example = Instant(milliseconds: 784_111_777_000)

    private func parse(_ text: String, at now: Instant = Self.example) -> Duration? {
        Array(text.utf8).withUnsafeBytes { RetryAfter.parse($0, now: now) }
    }

    private func date(_ text: String) -> Int64? {
        Array(text.utf8).withUnsafeBytes { HTTPDate.parse($0) }?.milliseconds
    }

    @Test(
        "is a number of seconds or a date",
        arguments: [
            ("0", .zero), ("5", .seconds(5)), ("0120", .seconds(120)),
            ("99999999999999999999999999", .seconds(3_155_760_000)),
            ("Sun, 06 Nov 1994 08:49:40 GMT", .seconds(3)), ("Sun, 06 Nov 1994 08:49:36 GMT", .zero),
            ("-1", nil), ("1.5", nil), ("5s", nil), ("+5", nil), ("", nil), ("soon", nil),
        ] as [(String, Duration?)])
    func values(text: String, expected: Duration?) {
        #expect(parse(text) == expected)
    }

    @Test("counts from now to the microsecond")
    func fraction() {
        let now = Instant(microseconds: Self.example.microseconds + 250_000)
        #expect(parse("Sun, 06 Nov 1994 08:49:38 GMT", at: now) == .milliseconds(750))
    }

    @Test(
        "dates come in three forms",
        arguments: [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777_000), ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777_000),
            ("Sun Nov  6 08:49:37 1994", 784_111_777_000), ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199_000), ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400_000),
            ("Sun, 22 Nov 2026 21:30:00 GMT", 1_795_383_000_000),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799_000),
            ("Sunday, 22-Nov-26 21:30:00 GMT", 1_795_383_000_000), ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800_000),
            ("Thu, 29 Feb 2100 00:00:00 GMT", nil), ("Thu, 30 Feb 2024 00:00:00 GMT", nil),
            ("Thu, 00 Jan 2024 00:00:00 GMT", nil), ("Thu, 01 Foo 2024 00:00:00 GMT", nil),
            ("Thu, 01 Jan 2024 24:00:00 GMT", nil), ("Thu, 01 Jan 2024 00:00 GMT", nil),
            ("Thu, 01 Jan 2024 00:00:00 CET", nil), ("Thu, 01 Jan 24 00:00:00 GMT", nil),
            ("Thu, 01 Jan 1969 00:00:00 GMT", nil), ("Thursday, 01-Jan 00:00:00 GMT", nil),
            ("Thu, 01 Jan 2024 0:0:0 GMT", nil), ("Thu, 01 Jan 2024 00:00:0x GMT", nil),
        ] as [(String, Int64?)])
    func dates(text: String, milliseconds: Int64?) {
        #expect(date(text) == milliseconds)
    }
}
