import CloudflareWire
import GatewayCore
import NIOCore
import Testing
import WireFormats

/// One row: fields of a request, and what a property of its directives shows, as text.
private struct Row: Sendable, CustomTestStringConvertible {
    var fields: [String]
    var property: @Sendable (Directives) -> String
    var expected: String
    var testDescription: String { fields.joined(separator: " & ") + " → " + expected }

    init(_ fields: String..., property: @escaping @Sendable (Directives) -> String, _ expected: String) {
        self.fields = fields
        self.property = property
        self.expected = expected
    }
}

private func show(_ value: (some Any)?) -> String { value.map { "\($0)" } ?? "absent" }

private let ttl: @Sendable (Directives) -> String = { show($0.cacheTTL) }
private let skip: @Sendable (Directives) -> String = { show($0.skipCache) }
private let key: @Sendable (Directives) -> String = { show($0.cacheKey) }
private let timeout: @Sendable (Directives) -> String = { show($0.requestTimeout) }
private let attempts: @Sendable (Directives) -> String = { show($0.maxAttempts) }
private let delay: @Sendable (Directives) -> String = { show($0.retryDelay) }
private let backoff: @Sendable (Directives) -> String = { show($0.backoff) }
private let noWholesale: @Sendable (Directives) -> String = { show($0.noWholesale) }
private let zdr: @Sendable (Directives) -> String = { show($0.zdr) }
private let trace: @Sendable (Directives) -> String = { show($0.traceID) }
private let span: @Sendable (Directives) -> String = { show($0.parentSpanID) }
private let log: @Sendable (Directives) -> String = { show($0.collectLog) }
private let event: @Sendable (Directives) -> String = { show($0.eventID) }
private let alias: @Sendable (Directives) -> String = { show($0.byokAlias) }

/// Data-plane §2.1, row by row: range, clamping, invalid values.
private let rows: [Row] = [
    Row("cf-aig-cache-ttl: 0", property: ttl, "0"),
    Row("cf-aig-cache-ttl: 1", property: ttl, "60"),
    Row("cf-aig-cache-ttl: 59", property: ttl, "60"),
    Row("cf-aig-cache-ttl: 60", property: ttl, "60"),
    Row("cf-aig-cache-ttl: 0000000000000000000000003600", property: ttl, "3600"),
    Row("cf-aig-cache-ttl: 2592000", property: ttl, "2592000"),
    Row("cf-aig-cache-ttl: 2592001", property: ttl, "2592000"),
    Row("cf-aig-cache-ttl: 9223372036854775807", property: ttl, "2592000"),
    Row("cf-aig-cache-ttl: 9223372036854775808", property: ttl, "absent"),
    Row("cf-aig-cache-ttl: -1", property: ttl, "absent"),
    Row("cf-aig-cache-ttl: +60", property: ttl, "absent"),
    Row("cf-aig-cache-ttl: 1e3", property: ttl, "absent"),
    Row("cf-aig-cache-ttl: 60.0", property: ttl, "absent"),
    Row("cf-aig-cache-ttl: 0x60", property: ttl, "absent"),
    Row("cf-aig-cache-ttl: 60 s", property: ttl, "absent"),
    Row("cf-aig-cache-ttl: \u{0663}\u{0663}", property: ttl, "absent"),
    Row("cf-aig-cache-ttl:", property: ttl, "absent"),
    Row("CF-AIG-Cache-TTL: 120", property: ttl, "120"),
    Row("cf-cache-ttl: 120", property: ttl, "120"),
    Row("CF-Cache-TTL: 0", property: ttl, "0"),
    Row("cf-cache-ttl: 120", "cf-aig-cache-ttl: 240", property: ttl, "240"),
    Row("cf-aig-cache-ttl: 240", "cf-cache-ttl: 120", property: ttl, "240"),
    Row("cf-aig-cache-ttl: junk", "cf-cache-ttl: 120", property: ttl, "120"),
    Row("cf-aig-cache-ttl: 61", "cf-aig-cache-ttl: 62", property: ttl, "61"),
    Row("cf-aig-cache-ttl: x", "cf-aig-cache-ttl: 62", property: ttl, "62"),
    Row("cf-aig-skip-cache: true", property: skip, "true"),
    Row("cf-aig-skip-cache: TRUE", property: skip, "true"),
    Row("cf-aig-skip-cache: 1", property: skip, "true"),
    Row("cf-aig-skip-cache: 0", property: skip, "false"),
    Row("cf-aig-skip-cache: yes", property: skip, "absent"),
    Row("cf-skip-cache: true", property: skip, "true"),
    Row("cf-skip-cache: true", "cf-aig-skip-cache: false", property: skip, "false"),
    Row("cf-aig-cache-key: my key", property: key, "my key"),
    Row("cf-aig-cache-key: ключ", property: key, "ключ"),
    Row("cf-aig-cache-key:", property: key, "absent"),
    Row(
        "cf-aig-cache-key: " + String(repeating: "k", count: 1024), property: { show($0.cacheKey?.utf8.count) }, "1024"),
    Row("cf-aig-cache-key: " + String(repeating: "k", count: 1025), property: key, "absent"),
    Row("cf-aig-request-timeout: 1", property: timeout, "0.001 seconds"),
    Row("cf-aig-request-timeout: 0", property: timeout, "absent"),
    Row("cf-aig-request-timeout: +250", property: timeout, "absent"),
    Row("cf-aig-request-timeout: 86400001", property: timeout, "86400.0 seconds"),
    Row("cf-aig-max-attempts: 3", property: attempts, "3"),
    Row("cf-aig-max-attempts: 6", property: attempts, "5"),
    Row("cf-aig-max-attempts: 0", property: attempts, "1"),
    Row("cf-aig-max-attempts: -2", property: attempts, "absent"),
    Row("cf-aig-max-attempts: two", property: attempts, "absent"),
    Row("cf-aig-retry-delay: 0", property: delay, "0.0 seconds"),
    Row("cf-aig-retry-delay: 250", property: delay, "0.25 seconds"),
    Row("cf-aig-retry-delay: 60001", property: delay, "60.0 seconds"),
    Row("cf-aig-backoff: constant", property: backoff, "constant"),
    Row("cf-aig-backoff: Linear", property: backoff, "linear"),
    Row("cf-aig-backoff: exponential", property: backoff, "exponential"),
    Row("cf-aig-backoff: fibonacci", property: backoff, "absent"),
    Row("cf-aig-no-wholesale: true", property: noWholesale, "true"),
    Row("cf-aig-no-wholesale: false", "cf-aig-no-wholesale: true", property: noWholesale, "true"),
    Row("cf-aig-zdr: false", property: zdr, "false"),
    Row("cf-aig-collect-log: False", property: log, "false"),
    Row("cf-aig-event-id: " + String(repeating: "e", count: 257), property: event, "absent"),
    Row("cf-aig-byok-alias: prod", property: alias, "prod"),
    Row("cf-aig-otel-trace-id: 4BF92F3577B34DA6A3CE929D0E0E4736", property: trace, "4bf92f3577b34da6a3ce929d0e0e4736"),
    Row("cf-aig-otel-trace-id: 4bf92f3577b34da6a3ce929d0e0e473", property: trace, "absent"),
    Row("cf-aig-otel-trace-id: 4bf92f3577b34da6a3ce929d0e0e473g", property: trace, "absent"),
    Row("cf-aig-otel-trace-id: 00000000000000000000000000000000", property: trace, "absent"),
    Row("cf-aig-otel-parent-span-id: 00f067aa0ba902b7", property: span, "00f067aa0ba902b7"),
    Row("cf-aig-otel-parent-span-id: 0000000000000000", property: span, "absent"),
]

@Suite("Setting headers")
struct SettingHeadersTests {
    @Test("are read, clamped or ignored as the table of request headers says", arguments: rows)
    fileprivate func table(row: Row) throws {
        #expect(row.property(try directives(row.fields)) == row.expected)
    }

    @Test("a header of text that is not UTF-8 counts as absent")
    func notUTF8() throws {
        var bytes = ByteBuffer(string: "GET / HTTP/1.1\r\nHost: h\r\ncf-aig-cache-key: ")
        bytes.writeBytes([0x61, 0xff, 0x0d, 0x0a, 0x0d, 0x0a])
        var parser = RequestParser()
        let head = try #require(try parser.parse(&bytes))
        #expect(Directives.parse(head).cacheKey == nil)
    }

    @Test("only settings count as settings")
    func hasSettings() throws {
        #expect(try !directives([]).hasSettings)
        #expect(try !directives(["cf-aig-authorization: t", "cf-connecting-ip: 1.2.3.4"]).hasSettings)
        #expect(try !directives(["Content-Type: application/json", "x-cf-aig-cache-ttl: 5"]).hasSettings)
        #expect(try directives(["cf-aig-zdr: true"]).hasSettings)
        #expect(try directives(["cf-skip-cache: true"]).hasSettings)
    }
}
