import ControlPlane
import GatewayCore
import PostgresStore
import Testing

@Suite("GatewayDraft")
struct GatewayDraftTests {
    private static let minimal = """
        {"id":"g","cache_invalidate_on_update":true,"cache_ttl":0,"collect_logs":true,"rate_limiting_interval":0,
         "rate_limiting_limit":0
        """

    private func paths(_ text: String) -> [[String]] {
        do throws(ControlError) {
            guard let body = try? JSONValue(parsing: text) else { return [["no JSON"]] }
            _ = try GatewayDraft.creation(body)
            return []
        } catch .invalid(let problems) {
            return problems.map(\.path)
        } catch {
            return [["other"]]
        }
    }

    @Test("every missing required field is named")
    func required() {
        #expect(
            Set(paths("{}")) == [
                ["body", "id"], ["body", "cache_invalidate_on_update"], ["body", "cache_ttl"],
                ["body", "collect_logs"], ["body", "rate_limiting_interval"], ["body", "rate_limiting_limit"],
            ]
        )
    }

    @Test(
        "each bad field is named",
        arguments: [
            (#""id":"Bad""#, ["body", "id"]), (#""id":"a--b""#, ["body", "id"]), (#""id":7"#, ["body", "id"]),
            (#""cache_ttl":-1"#, ["body", "cache_ttl"]), (#""cache_ttl":"x""#, ["body", "cache_ttl"]),
            (#""cache_ttl":1.5"#, ["body", "cache_ttl"]), (#""collect_logs":1"#, ["body", "collect_logs"]),
            (#""collect_logs":null"#, ["body", "collect_logs"]),
            (#""rate_limiting_technique":"other""#, ["body", "rate_limiting_technique"]),
            (#""log_management":9999"#, ["body", "log_management"]),
            (#""log_management":10000001"#, ["body", "log_management"]),
            (#""log_management_strategy":"X""#, ["body", "log_management_strategy"]),
            (#""retry_max_attempts":6"#, ["body", "retry_max_attempts"]),
            (#""retry_delay":60001"#, ["body", "retry_delay"]), (#""retry_backoff":"x""#, ["body", "retry_backoff"]),
            (#""logpush_public_key":"short""#, ["body", "logpush_public_key"]),
            (#""store_id":"a\u0000b""#, ["body", "store_id"]),
            (#""dlp":{"enabled":true}"#, ["body", "dlp", "action"]),
            (
                #""dlp":{"enabled":true,"policies":[{"id":"p","enabled":true,"action":"X","check":["REQUEST"],"profiles":[]}]}"#,
                ["body", "dlp", "policies", "0", "action"]
            ),
            (#""guardrails":{"prompt":{"S14":"FLAG"},"response":{}}"#, ["body", "guardrails", "prompt", "S14"]),
            (#""guardrails":{"prompt":{}}"#, ["body", "guardrails", "response"]),
            (#""otel":[{"url":"ftp://x","headers":{}}]"#, ["body", "otel", "0", "url"]),
            (#""otel":{}"#, ["body", "otel"]),
            (#""otel":[{"url":"http://o.example","headers":{}}]"#, ["body", "otel", "0", "url"]),
            (#""otel":[{"url":"https://u:p@o.example","headers":{}}]"#, ["body", "otel", "0", "url"]),
            (#""otel":[{"url":"https://10.0.0.1/","headers":{}}]"#, ["body", "otel", "0", "url"]),
            (#""otel":[{"url":"https://o.example/a b","headers":{}}]"#, ["body", "otel", "0", "url"]),
            (#""otel":[{"url":"https://o","headers":{"a b":"x"}}]"#, ["body", "otel", "0", "headers", "a b"]),
            (#""otel":[{"url":"https://o","headers":{"a":"x\ny"}}]"#, ["body", "otel", "0", "headers", "a"]),
            (
                #""otel":["#
                    + Array(repeating: #"{"url":"https://o","headers":{}}"#, count: 6).joined(separator: ",") + "]",
                ["body", "otel"]
            ),
            (
                #""spend_limits":{"rules":[{"limit":0,"limitType":"cost","window":1}]}"#,
                ["body", "spend_limits", "rules", "0", "limit"]
            ),
            (
                #""spend_limits":{"rules":[{"limit":1,"limitType":"cost","window":0}]}"#,
                ["body", "spend_limits", "rules", "0", "window"]
            ),
            (#""stripe":{"authorization":"a"}"#, ["body", "stripe", "usage_events"]),
        ])
    func bad(member: String, path: [String]) {
        #expect(paths(Self.minimal + "," + member + "}").contains(path))
    }

    @Test("five exporters are taken, wherever the egress rule lets them be")
    func exporters() throws {
        func taken(_ url: String, _ egress: EgressRule) -> Bool {
            let otel = "[" + Array(repeating: #"{"url":"\#(url)","headers":{}}"#, count: 5).joined(separator: ",") + "]"
            guard let body = try? JSONValue(parsing: Self.minimal + #","otel":\#(otel)}"#) else { return false }
            return (try? GatewayDraft.creation(body, egress: egress)) != nil
        }
        #expect(taken("https://o.example/v1/traces?a=1", .publicAddressesOnly))
        #expect(!taken("http://127.0.0.1:4318/v1/traces", .publicAddressesOnly))
        #expect(taken("http://127.0.0.1:4318/v1/traces", .anyAddress))
        #expect(!taken("http://u:p@127.0.0.1:4318/", .anyAddress))
    }

    @Test(
        "a sliding window counts up to a million, a fixed one whatever fits",
        arguments: [("sliding", 1_000_000, true), ("sliding", 1_000_001, false), ("fixed", 2_147_483_647, true)])
    func slidingLimit(technique: String, limit: Int, isAccepted: Bool) throws {
        let text = Self.minimal.replacing(#""rate_limiting_limit":0"#, with: #""rate_limiting_limit":\#(limit)"#)
        #expect(text != Self.minimal)
        let found = paths(text + #","rate_limiting_technique":"\#(technique)"}"#)
        #expect(found == (isAccepted ? [] : [["body", "rate_limiting_limit"]]))
        // An update keeps the technique that it does not mention.
        var current = GatewaySettings(
            cacheInvalidateOnUpdate: false, cacheTTL: 0, collectLogs: true, rateLimitingInterval: 1,
            rateLimitingLimit: 1
        )
        current.rateLimitingTechnique = RateLimitTechnique(rawValue: technique)
        let body = try JSONValue(parsing: text + "}")
        #expect(((try? GatewayDraft.update(body, of: current)) != nil) == isAccepted)
    }

    @Test("documented defaults are filled into structured members")
    func defaults() throws {
        let body = try JSONValue(
            parsing: Self.minimal
                + #","otel":[{"url":"https://o","headers":{}}],"spend_limits":{"rules":[{"limit":10.50,"limitType":"cost","window":60}]}}"#
        )
        let (id, settings) = try GatewayDraft.creation(body)
        #expect(id == "g")
        #expect(settings.rateLimitingTechnique == .fixed)
        #expect(settings.logManagement == 100_000)
        #expect(settings.otel == #"[{"url":"https://o","headers":{},"content_type":"json"}]"#)
        let limits = try JSONValue(parsing: try #require(settings.spendLimits))
        #expect(limits["enabled"] == false)
        let rule = try #require(limits["rules"]?.elements?.first)
        #expect(rule["limit"] == .number("10.50"))
        #expect(rule["enabled"] == true)
        #expect(rule["technique"] == "sliding")
        #expect(rule["id"]?.text?.count == 8)
    }

    @Test("an update keeps what it does not mention and clears what it sets to null")
    func update() throws {
        var current = GatewaySettings(
            cacheInvalidateOnUpdate: false, cacheTTL: 60, collectLogs: true, rateLimitingInterval: 1,
            rateLimitingLimit: 1
        )
        current.retryMaxAttempts = 3
        current.retryBackoff = .linear
        current.dlp = "{}"
        current.zdr = true
        let body = try JSONValue(
            parsing: """
                {"cache_invalidate_on_update":true,"cache_ttl":null,"collect_logs":false,"rate_limiting_interval":5.0,
                 "rate_limiting_limit":7,"retry_backoff":null,"dlp":null,"is_default":true,"unknown":[1]}
                """
        )
        let updated = try GatewayDraft.update(body, of: current)
        #expect(updated.cacheTTL == nil)
        #expect(updated.rateLimitingInterval == 5)
        #expect(updated.retryMaxAttempts == 3)
        #expect(updated.retryBackoff == nil)
        #expect(updated.dlp == nil)
        #expect(updated.zdr)
    }
}
