import CloudflareWire
import GatewayCore
import Testing

private let account: AccountID = "0123456789abcdef0123456789abcdef"

private func gateway(_ change: (inout GatewayPlan) -> Void = { _ in }) -> GatewayPlan {
    var plan = GatewayPlan(account: account, id: "g")
    change(&plan)
    return plan
}

/// One row of data-plane §4.1 "Which request uses the cache".
private struct CacheRow: Sendable, CustomTestStringConvertible {
    var gateway: Int
    var fields: [String]
    var step: [String]?
    var expected: CacheUse
    var testDescription: String { "\(gateway) \(fields) \(step ?? []) → \(expected)" }

    init(gateway: Int, _ fields: [String], step: [String]? = nil, _ expected: CacheUse) {
        self.gateway = gateway
        self.fields = fields
        self.step = step
        self.expected = expected
    }
}

private func on(_ seconds: Int, key: String? = nil, _ lookup: CacheLookup = .read) -> CacheUse {
    .on(CacheOptions(timeToLive: seconds, customKey: key, lookup: lookup))
}

private let cacheRows: [CacheRow] = [
    // The table's rows, in its order.
    CacheRow(gateway: 300, ["cf-aig-skip-cache: true"], on(300, .skip)),
    CacheRow(gateway: 300, ["cf-aig-skip-cache: true", "cf-aig-cache-ttl: 90"], on(90, .skip)),
    CacheRow(gateway: 0, ["cf-aig-skip-cache: true", "cf-aig-cache-key: k"], on(300, key: "k", .skip)),
    CacheRow(gateway: 0, ["cf-aig-skip-cache: true"], .off),
    CacheRow(gateway: 300, ["cf-aig-skip-cache: true", "cf-aig-cache-ttl: 0"], .off),
    CacheRow(gateway: 300, [], on(300)),
    CacheRow(gateway: 300, ["cf-aig-cache-ttl: 600"], on(600)),
    CacheRow(gateway: 300, ["cf-aig-cache-ttl: 0"], .off),
    CacheRow(gateway: 300, ["cf-aig-cache-ttl: 0", "cf-aig-cache-key: k"], .off),
    CacheRow(gateway: 0, ["cf-aig-cache-key: k"], on(300, key: "k")),
    CacheRow(gateway: 0, ["cf-aig-cache-key: k", "cf-aig-cache-ttl: 600"], on(600, key: "k")),
    CacheRow(gateway: 0, ["cf-aig-cache-ttl: 600"], on(600)),
    CacheRow(gateway: 0, [], .off),
    // The notes below it.
    CacheRow(gateway: 300, ["cf-aig-cache-key: k"], on(300, key: "k")),
    CacheRow(gateway: 0, ["cf-aig-cache-ttl: 5"], on(60)),
    CacheRow(gateway: 0, ["cf-aig-cache-ttl: 99999999"], on(2_592_000)),
    CacheRow(gateway: 99_999_999, [], on(2_592_000)),
    CacheRow(gateway: 5, [], on(60)),
    CacheRow(gateway: 300, ["cf-aig-cache-ttl: junk"], on(300)),
    CacheRow(gateway: 300, ["cf-aig-skip-cache: false"], on(300)),
    CacheRow(gateway: 300, ["cf-skip-cache: true"], on(300, .skip)),
    // A step's headers, setting by setting (appendix A, row 19).
    CacheRow(gateway: 0, ["cf-aig-cache-ttl: 3600"], step: [], on(3600)),
    CacheRow(gateway: 0, ["cf-aig-cache-ttl: 3600"], step: ["cf-aig-cache-ttl: 0"], .off),
    CacheRow(gateway: 0, ["cf-aig-cache-ttl: 0"], step: ["cf-aig-cache-ttl: 90"], on(90)),
    CacheRow(gateway: 0, ["cf-aig-cache-key: k"], step: ["cf-aig-cache-ttl: 90"], on(90, key: "k")),
    CacheRow(gateway: 0, ["cf-aig-cache-key: k"], step: ["cf-aig-cache-key: s"], on(300, key: "s")),
    CacheRow(gateway: 300, ["cf-aig-skip-cache: true"], step: ["cf-aig-skip-cache: false"], on(300)),
    CacheRow(gateway: 300, [], step: ["cf-aig-skip-cache: true"], on(300, .skip)),
    CacheRow(gateway: 300, ["cf-aig-cache-ttl: 90"], step: ["cf-cache-ttl: 120"], on(120)),
]

/// One row of data-plane §4.3 and §4.4, and of the precedence of §2.1 for their settings.
private struct RetryRow: Sendable, CustomTestStringConvertible {
    var name: String
    var gateway: @Sendable (inout GatewayPlan) -> Void = { _ in }
    var fields: [String] = []
    var step: [String] = []
    var config = StepConfig()
    var expected: (timeout: Duration?, attempts: Int, delay: Duration, backoff: RetryBackoff)
    var testDescription: String { name }
}

private let retryRows: [RetryRow] = [
    RetryRow(name: "nothing is set", expected: (nil, 1, .milliseconds(500), .constant)),
    RetryRow(
        name: "the gateway retries", gateway: { $0.retryMaxAttempts = 3 },
        expected: (nil, 3, .milliseconds(500), .constant)),
    RetryRow(
        name: "the gateway sets all",
        gateway: { ($0.retryMaxAttempts, $0.retryDelayMilliseconds, $0.retryBackoff) = (4, 100, .linear) },
        expected: (nil, 4, .milliseconds(100), .linear)),
    RetryRow(
        name: "a stored value out of range is moved into it",
        gateway: { ($0.retryMaxAttempts, $0.retryDelayMilliseconds) = (99, 99_999) },
        expected: (nil, 5, .seconds(60), .constant)),
    RetryRow(
        name: "a header overrides its own field only",
        gateway: { ($0.retryMaxAttempts, $0.retryDelayMilliseconds, $0.retryBackoff) = (4, 100, .linear) },
        fields: ["cf-aig-retry-delay: 0"], expected: (nil, 4, .zero, .linear)),
    RetryRow(
        name: "a header turns the gateway's retries off", gateway: { $0.retryMaxAttempts = 3 },
        fields: ["cf-aig-max-attempts: 1"], expected: (nil, 1, .milliseconds(500), .constant)),
    RetryRow(
        name: "an invalid header leaves the gateway's value", gateway: { $0.retryMaxAttempts = 3 },
        fields: ["cf-aig-max-attempts: many"], expected: (nil, 3, .milliseconds(500), .constant)),
    RetryRow(
        name: "headers alone",
        fields: [
            "cf-aig-request-timeout: 1500", "cf-aig-max-attempts: 2", "cf-aig-retry-delay: 700",
            "cf-aig-backoff: exponential",
        ],
        expected: (.milliseconds(1500), 2, .milliseconds(700), .exponential)),
    RetryRow(
        name: "a step's header is before the request's",
        fields: ["cf-aig-request-timeout: 1500", "cf-aig-max-attempts: 2"], step: ["cf-aig-request-timeout: 10"],
        expected: (.milliseconds(10), 2, .milliseconds(500), .constant)),
    RetryRow(
        name: "a step's config is before its headers",
        fields: ["cf-aig-max-attempts: 2", "cf-aig-retry-delay: 1"],
        step: ["cf-aig-max-attempts: 3", "cf-aig-backoff: linear", "cf-aig-request-timeout: 7"],
        config: StepConfig(requestTimeout: .seconds(1), maxAttempts: 4),
        expected: (.seconds(1), 4, .milliseconds(1), .linear)),
    RetryRow(
        name: "a step's config alone", gateway: { $0.retryMaxAttempts = 3 },
        config: StepConfig(retryDelay: .seconds(2), backoff: .exponential),
        expected: (nil, 3, .seconds(2), .exponential)),
]

/// The other settings of §2.1: what they are at each level.
private struct LevelRow: Sendable, CustomTestStringConvertible {
    var name: String
    var gateway: @Sendable (inout GatewayPlan) -> Void = { _ in }
    var fields: [String] = []
    var step: [String] = []
    var shown: @Sendable (CallSettings) -> String
    var expected: String
    var testDescription: String { name }
}

private func show(_ value: (some Any)?) -> String { value.map { "\($0)" } ?? "absent" }

private let log: @Sendable (CallSettings) -> String = { "\($0.collectLog) \($0.collectLogPayload)" }
private let billing: @Sendable (CallSettings) -> String = { "\($0.forbidsWholesale) \($0.zdr)" }

private let levelRows: [LevelRow] = [
    LevelRow(name: "logs by default", shown: log, expected: "true true"),
    LevelRow(name: "logs off at the gateway", gateway: { $0.collectLogs = false }, shown: log, expected: "false true"),
    LevelRow(
        name: "logs on by the request", gateway: { $0.collectLogs = false }, fields: ["cf-aig-collect-log: true"],
        shown: log, expected: "true true"),
    LevelRow(
        name: "payload off by the request, on by the step", fields: ["cf-aig-collect-log-payload: false"],
        step: ["cf-aig-collect-log-payload: true", "cf-aig-collect-log: false"], shown: log, expected: "false true"),
    LevelRow(name: "keys are not required", shown: billing, expected: "false false"),
    LevelRow(
        name: "the request forbids wholesale", fields: ["cf-aig-no-wholesale: true"], shown: billing,
        expected: "true false"),
    LevelRow(
        name: "a request cannot relax the gateway", gateway: { ($0.byokOnly, $0.zeroDataRetention) = (true, true) },
        fields: ["cf-aig-no-wholesale: false", "cf-aig-zdr: false"], shown: billing, expected: "true false"),
    LevelRow(
        name: "a step cannot relax the request", fields: ["cf-aig-no-wholesale: true"],
        step: ["cf-aig-no-wholesale: false", "cf-aig-zdr: true"], shown: billing, expected: "true true"),
    LevelRow(
        name: "key alias of the step", fields: ["cf-aig-byok-alias: a"], step: ["cf-aig-byok-alias: b"],
        shown: { show($0.byokAlias) }, expected: "b"),
    LevelRow(
        name: "metadata of the request", fields: [#"cf-aig-metadata: {"a":1}"#], step: ["cf-aig-zdr: true"],
        shown: { show($0.metadata) }, expected: #"{"a":1}"#),
    LevelRow(
        name: "metadata of the step", fields: [#"cf-aig-metadata: {"a":1}"#], step: [#"cf-aig-metadata: {"b":2}"#],
        shown: { show($0.metadata) }, expected: #"{"b":2}"#),
    LevelRow(
        name: "cost of the step", fields: [#"cf-aig-custom-cost: {"total_cost":1}"#],
        step: [#"cf-aig-custom-cost: {"total_cost":2}"#],
        shown: { show($0.customCost?.total == PicoDecimal(units: 2_000_000_000_000)) }, expected: "true"),
    LevelRow(
        name: "event of the request", fields: ["cf-aig-event-id: e"], shown: { show($0.eventID) }, expected: "e"),
    LevelRow(name: "no event", shown: { show($0.eventID) }, expected: "absent"),
    LevelRow(
        name: "trace of the request, span of the step",
        fields: ["cf-aig-otel-trace-id: 4bf92f3577b34da6a3ce929d0e0e4736"],
        step: ["cf-aig-otel-parent-span-id: 00f067aa0ba902b7"],
        shown: { show($0.traceID) + " " + show($0.parentSpanID) },
        expected: "4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7"),
]

@Suite("Call settings")
struct CallSettingsTests {
    @Test("use the cache as the table of requests says", arguments: cacheRows)
    fileprivate func cache(row: CacheRow) throws {
        let step = try row.step.map { StepSettings(headers: try directives($0)) }
        let settings = CallSettings.resolve(
            step: step, request: try directives(row.fields), gateway: gateway { $0.cacheTTLSeconds = row.gateway }
        )
        #expect(settings.cache == row.expected)
    }

    @Test("time out and retry as the tables say", arguments: retryRows)
    fileprivate func retries(row: RetryRow) throws {
        let settings = CallSettings.resolve(
            step: StepSettings(headers: try directives(row.step), config: row.config),
            request: try directives(row.fields), gateway: gateway(row.gateway)
        )
        #expect(settings.timeout == row.expected.timeout)
        #expect(settings.attempts == row.expected.attempts)
        #expect(settings.retryDelay == row.expected.delay)
        #expect(settings.backoff == row.expected.backoff)
    }

    @Test("take every other setting from the nearest level that has it", arguments: levelRows)
    fileprivate func levels(row: LevelRow) throws {
        let settings = CallSettings.resolve(
            step: StepSettings(headers: try directives(row.step)), request: try directives(row.fields),
            gateway: gateway(row.gateway)
        )
        #expect(row.shown(settings) == row.expected)
    }

    @Test("streams are kept only for who opted in by a key of their own")
    func streams() {
        #expect(!CacheOptions(timeToLive: 60).keepsStreams)
        #expect(CacheOptions(timeToLive: 60, customKey: "k").keepsStreams)
    }

    @Test("a request that asks for nothing gets the gateway's settings")
    func plain() throws {
        let plan = gateway { ($0.cacheTTLSeconds, $0.retryMaxAttempts) = (120, 2) }
        let settings = CallSettings.resolve(step: nil, request: try directives(["Accept: */*"]), gateway: plan)
        #expect(settings == CallSettings(plan))
        #expect(settings.cache == on(120))
        #expect(settings.attempts == 2)
    }
}

@Suite("Bounds that the operator sets")
struct SettingBoundsTests {
    private static let narrow = {
        var bounds = SettingBounds()
        bounds.longestCacheTTL = 120
        bounds.mostAttempts = 2
        bounds.longestRetryDelay = 50
        bounds.metadataEntries = 1
        return bounds
    }()

    @Test("headers, a step's config and the gateway's settings are moved into them")
    func narrowed() throws {
        let head = try parsedHead([
            "cf-aig-cache-ttl: 3600", "cf-aig-max-attempts: 5", "cf-aig-retry-delay: 1000",
            #"cf-aig-metadata: {"a":1,"b":2}"#,
        ])
        let asked = Directives.parse(head, within: Self.narrow)
        #expect(asked.cacheTTL == 120)
        #expect(asked.maxAttempts == 2)
        #expect(asked.retryDelay == .milliseconds(50))
        #expect(asked.metadata == #"{"a":1}"#)
        let plan = gateway {
            $0.cacheTTLSeconds = 3600
            $0.retryMaxAttempts = 5
            $0.retryDelayMilliseconds = 1000
        }
        let settings = CallSettings(plan, within: Self.narrow)
        #expect(settings.cache == on(120))
        #expect(settings.attempts == 2)
        #expect(settings.retryDelay == .milliseconds(50))
        let resolved = CallSettings.resolve(step: nil, request: asked, gateway: plan, within: Self.narrow)
        #expect(resolved.cache == on(120))
    }

    @Test("they may be wider than Cloudflare's")
    func widened() throws {
        var wide = SettingBounds()
        wide.longestCacheTTL = 31_536_000
        wide.mostAttempts = 9
        wide.metadataEntries = 7
        let head = try parsedHead([
            "cf-aig-cache-ttl: 30000000", "cf-aig-max-attempts: 9",
            #"cf-aig-metadata: {"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8}"#,
        ])
        let asked = Directives.parse(head, within: wide)
        #expect(asked.cacheTTL == 30_000_000)
        #expect(asked.maxAttempts == 9)
        #expect(asked.metadata == #"{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7}"#)
        // Without them Cloudflare's hold.
        #expect(Directives.parse(head).cacheTTL == 2_592_000)
        #expect(Directives.parse(head).maxAttempts == 5)
    }
}
