@testable import AdminAPI
import ControlPlane
import GatewayCore
import PostgresStore
import TestKit
import Testing

@Suite("Gateways over the API")
struct GatewayRoutesTests {
    @Test("a created gateway comes back with every documented member and default")
    func creation() async throws {
        let api = try await ManagementAPI()
        let created = await api.makeGateway("my-gateway")
        #expect(created.status == 200)
        #expect(created.document.members?.map(\.name) == ["success", "errors", "messages", "result"])
        let object = created.result
        #expect(object["created_at"]?.text?.hasSuffix("Z") == true)
        let expected: JSONValue = [
            "id": "my-gateway", "account_id": "0123456789abcdef0123456789abcdef",
            "account_tag": "0123456789abcdef0123456789abcdef", "cache_invalidate_on_update": true, "cache_ttl": 0,
            "collect_logs": true, "rate_limiting_interval": 0, "rate_limiting_limit": 0,
            "rate_limiting_technique": "fixed", "authentication": false, "byok_only": false, "dlp": nil,
            "guardrails": nil, "is_default": false, "log_classification": false, "log_management": 100_000,
            "log_management_strategy": "STOP_INSERTING", "logpush": false, "logpush_public_key": nil, "otel": nil,
            "retry_backoff": nil, "retry_delay": nil, "retry_max_attempts": nil, "spend_limits": nil, "store_id": "",
            "stream_idle_timeout": nil, "stripe": nil, "workers_ai_billing_mode": "postpaid", "zdr": false,
            "created_at": object["created_at"] ?? .null, "modified_at": object["modified_at"] ?? .null,
        ]
        #expect(object == expected)
        #expect(await api.send("GET", ManagementAPI.gateways + "/my-gateway").result == object)
        #expect(
            await api.send("GET", "/client/v4" + ManagementAPI.gateways + "/my-gateway", token: api.read).result
                == object)
        #expect(Int(created.headers["cf-aig-snapshot"] ?? "") ?? 0 > 1)
    }

    @Test("the snapshot that a write names contains the write")
    func snapshotVersion() async throws {
        let api = try await ManagementAPI()
        let version = UInt64(await api.makeGateway("g").headers["cf-aig-snapshot"] ?? "") ?? 0
        let snapshot = try await ConfigurationRepository(api.pool).snapshot()
        #expect(snapshot.version == version)
        #expect(snapshot.gateways.map(\.id) == ["g"])
        let later = await api.send("DELETE", ManagementAPI.gateways + "/g")
        #expect(UInt64(later.headers["cf-aig-snapshot"] ?? "") ?? 0 > version)
        #expect(try await ConfigurationRepository(api.pool).snapshot().gateways.isEmpty)
    }

    @Test("an id that is taken, a body that is no JSON and one that is too large are refused")
    func refusals() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        let again = await api.makeGateway("g")
        #expect(again.status == 400)
        #expect(again.codes == [7001])
        #expect(again.messages.first?.contains("already exists") == true)
        let broken = await api.send("POST", ManagementAPI.gateways, body: "{")
        #expect(broken.status == 400)
        #expect(broken.paths == [["body"]])
        let empty = await api.send("POST", ManagementAPI.gateways)
        #expect(empty.codes.count == 6)
        let huge = await api.send("POST", ManagementAPI.gateways, body: String(repeating: " ", count: 1 << 20 + 1))
        #expect(huge.status == 413)
        let zero = await api.makeGateway("z", more: #","dlp":{"enabled":true,"action":"FLAG","profiles":["a\u0000"]}"#)
        #expect(zero.status == 400)
    }

    @Test("an update changes what it names; its cache epoch rises when answers are to be forgotten")
    func update() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g", more: #","retry_max_attempts":3"#)
        let first = try await ConfigurationRepository(api.pool).snapshot().gateways.first?.cacheEpoch ?? .max
        let path = ManagementAPI.gateways + "/g"
        let incomplete = await api.send("PUT", path, body: #"{"cache_ttl":5}"#)
        #expect(incomplete.codes.count == 4)
        let updated = await api.send("PUT", path, body: "{" + ManagementAPI.minimal + #","zdr":true,"id":"other"}"#)
        #expect(updated.status == 200)
        #expect(updated.result["id"] == "g")
        #expect(updated.result["retry_max_attempts"] == 3)
        #expect(updated.result["zdr"] == true)
        #expect(try await ConfigurationRepository(api.pool).snapshot().gateways.first?.cacheEpoch ?? 0 > first)
        let echo = await api.send("PUT", path, body: updated.result.encoded)
        #expect(echo.status == 200)
        let missing = await api.send("PUT", ManagementAPI.gateways + "/none", body: "{" + ManagementAPI.minimal + "}")
        #expect(missing.status == 404)
        #expect(missing.codes == [7002])
    }

    @Test("structured members come back as they were sent")
    func structures() async throws {
        let api = try await ManagementAPI()
        let limits =
            #"{"rules":[{"id":"r","limit":0.000000000001,"limitType":"cost","window":60,"model":{"mode":"filter","values":["a"]}}],"enabled":true}"#
        let created = await api.makeGateway("g", more: #","spend_limits":\#(limits)"#)
        #expect(created.status == 200)
        #expect(created.result["spend_limits"]?["rules"]?.elements?.first?["limit"] == .number("0.000000000001"))
        #expect(created.result["spend_limits"]?["rules"]?.elements?.first?["technique"] == "sliding")
    }

    @Test("pages are complete, a page past the end is empty, and bounds are checked")
    func paging() async throws {
        let api = try await ManagementAPI()
        for index in 0..<5 { await api.makeGateway("g\(index)") }
        let first = await api.send("GET", ManagementAPI.gateways, query: "per_page=2")
        #expect(first.ids == ["g0", "g1"])
        #expect(
            first.document["result_info"]
                == ["page": 1, "per_page": 2, "count": 2, "total_count": 5, "total_pages": 3]
        )
        #expect(await api.send("GET", ManagementAPI.gateways, query: "per_page=2&page=3").ids == ["g4"])
        let past = await api.send("GET", ManagementAPI.gateways, query: "page=999999999")
        #expect(past.status == 200)
        #expect(past.result == [])
        for query in ["per_page=0", "per_page=101", "page=0", "page=x", "per_page=1.5", "page=99999999999999999999"] {
            let refused = await api.send("GET", ManagementAPI.gateways, query: query)
            #expect(refused.status == 400, "\(query)")
            #expect(refused.codes == [7001])
            #expect(refused.paths.first?.first == "query")
        }
        #expect(await api.send("GET", ManagementAPI.gateways, query: "search=G3").ids == ["g3"])
        #expect(await api.send("GET", ManagementAPI.gateways, query: "search=%25").ids.isEmpty)
    }

    @Test("the limit of gateways per account holds")
    func limit() async throws {
        let api = try await ManagementAPI()
        for index in 0..<30 { #expect(await api.makeGateway("g\(index)").status == 200) }
        let refused = await api.makeGateway("one-more")
        #expect(refused.status == 400)
        #expect(refused.codes == [7001])
    }

    @Test(
        "SQL in every place a client controls is data",
        arguments: [
            "'; DROP TABLE gateways; --", "\\", "%", "_", "$1", "' OR '1'='1", "a\u{0}b", "\u{feff}",
        ])
    func injection(text: String) async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        let encoded = text.utf8.map { byte in
            let digits = String(byte, radix: 16)
            return "%" + (digits.count == 1 ? "0" : "") + digits
        }.joined()
        let list = await api.send("GET", ManagementAPI.gateways, query: "search=" + encoded)
        #expect(list.status == 200 || list.status == 400)
        #expect(text == "_" || list.ids.isEmpty)
        #expect(await api.send("GET", ManagementAPI.gateways + "/" + encoded).status == 404)
        #expect(await api.send("DELETE", ManagementAPI.gateways + "/" + encoded).status == 404)
        #expect(await api.send("DELETE", ManagementAPI.gateways + "/g/logs/").status < 500)
        #expect(await api.send("GET", ManagementAPI.gateways + "/g").status == 200)
    }

    @Test("without PostgreSQL a call is answered 503 in the envelope")
    func storeAway() async throws {
        let pool = PostgresPool(url: "postgresql:///none?host=/nonexistent")
        let clock = FixedClock(now: Instant(milliseconds: 0))
        let tokens = TokenAdministration(pool, clock: clock)
        let responder = AdminResponder(
            routes: try await ManagementAPI().routes, tokens: tokens, clock: clock,
            report: { Issue.record("reported: \($0)") }
        )
        let reply = Reply(
            await responder.respond(
                to: AdminRequest(
                    method: "GET", path: ManagementAPI.gateways, headers: [("authorization", "Bearer some-token")]
                )
            )
        )
        #expect(reply.status == 503)
        #expect(reply.codes == [7000])
        #expect(reply.document["success"] == false)
    }
}
