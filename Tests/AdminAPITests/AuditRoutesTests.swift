@testable import AdminAPI
import ControlPlane
import GatewayCore
import PostgresStore
import Testing

@Suite("The audit log")
struct AuditRoutesTests {
    private static let log = "/accounts/\(ManagementAPI.account)/logs/audit"
    private static let secrets = "/accounts/\(ManagementAPI.account)/secrets_store/stores"

    private func entries(_ api: ManagementAPI, _ query: String = "") async -> [JSONValue] {
        await api.send("GET", Self.log, query: query).result.elements ?? []
    }

    @Test("a gateway's life is told with its states, its times and the token that did it")
    func gateway() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        let body = #"{\#(ManagementAPI.minimal),"authentication":true}"#
        _ = await api.send("PUT", ManagementAPI.gateways + "/g", body: body)
        _ = await api.send("DELETE", ManagementAPI.gateways + "/g")
        _ = await api.send("DELETE", ManagementAPI.gateways + "/none")
        let found = await entries(api, "resource_type=ai_gateway.gateway")
        #expect(found.map { $0["action"]?["type"] } == ["delete", "update", "create"])
        #expect(found.allSatisfy { $0["resource"]?["id"] == "g" })
        let token = await api.send("GET", "/user/tokens/verify").result["id"]
        #expect(found.allSatisfy { $0["actor"]?["token_id"] == token })
        #expect(found[1]["resource"]?["oldValueJson"]?["authentication"] == false)
        #expect(found[1]["resource"]?["newValueJson"]?["authentication"] == true)
        #expect(found[2]["resource"]?["oldValueJson"] == .null)
        #expect(found[0]["resource"]?["newValueJson"] == .null)
        let legacy = await api.send(
            "GET", "/accounts/\(ManagementAPI.account)/audit_logs", query: "per_page=1&action.type=update"
        )
        #expect(legacy.document["result_info"]?["total_count"]?.integer == 1)
        // A token that was revoked before counts as deleted.
        #expect(await entries(api, "resource_type=account.token&action_type=delete").count == 1)
        #expect(legacy.result.elements?.first?["newValueJson"]?["authentication"] == true)
        #expect(legacy.result.elements?.first?["resource"]?["type"] == "ai_gateway.gateway")
    }

    @Test("what is secret is not in it, and a new value shows as one")
    func secrets() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g", more: #","otel":[{"url":"https://o.example","headers":{"x-key":"header-canary"}}]"#)
        let key = #"{"provider_slug":"openai","alias":"default","default_config":true,"secret":"value-canary-1234567"}"#
        _ = await api.send("POST", ManagementAPI.gateways + "/g/provider_configs", body: key)
        let store = try #require(await api.send("GET", Self.secrets).ids.first)
        let made = await api.send(
            "POST", Self.secrets + "/\(store)/secrets",
            body: #"[{"name":"n","value":"value-canary-1234567","scopes":["ai_gateway"]}]"#
        )
        let secret = try #require(made.ids.first)
        let one = Self.secrets + "/\(store)/secrets/\(secret)"
        _ = await api.send("PATCH", one, body: #"{"value":"value-canary-7654321"}"#)
        _ = await api.send("PATCH", one, body: #"{"comment":"c"}"#)
        let found = await entries(api, "resource_id=\(secret)")
        #expect(found.map { $0["action"]?["type"] } == ["update", "update", "create"])
        #expect(found.map { $0["resource"]?["newValueJson"]?["value_modified"] == true } == [false, true, false])
        let copied = await api.send("POST", one + "/duplicate", body: #"{"name":"m","scopes":["ai_gateway"]}"#)
        let copy = try #require(copied.result["id"]?.text)
        let copies = await entries(api, "resource_id=\(copy)")
        #expect(copies.map { $0["resource"]?["newValueJson"]?["duplicated_from_id"]?.text } == [secret])
        #expect(found.last?["resource"]?["newValueJson"]?["duplicated_from_id"] == nil)
        // Under another master key a secret is the same secret.
        let before = await entries(api).count
        #expect(try await api.pool.query("UPDATE secrets SET envelope = '\\x01'").affected == 3)
        #expect(await entries(api).count == before)
        _ = await api.send("DELETE", Self.secrets + "/\(store)", query: "force=true")
        #expect(await entries(api, "resource_id=\(secret)").first?["action"]?["type"] == "delete")
        let rows = try await api.pool.query("SELECT e::text AS row FROM audit_entries e")
        #expect(rows.count > 8)
        for row in rows {
            let text = try row.text("row")
            #expect(!text.contains("canary"))
            #expect(!text.contains("envelope"))
            #expect(!text.contains("token_hash"))
        }
        let exporters = await entries(api, "resource_id=g&resource_type=ai_gateway.gateway").last
        #expect(exporters?["resource"]?["newValueJson"]?["otel"]?.elements?.first?["headers"] == ["x-key": "****"])
    }

    @Test("who changes rows by hand, and what the daemon does by itself, is told apart")
    func authors() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        _ = try await api.pool.query("UPDATE gateways SET zdr = true WHERE id = 'g'")
        #expect(await entries(api, "resource_id=g").first?["actor"]?["type"] == "sql")
        _ = try await GatewayAdministration(api.pool).provisionDefault(of: ManagementAPI.account)
        #expect(await entries(api, "resource_id=default").first?["actor"]?["type"] == "system")
        _ = try await ChangeAuthor.$current.withValue(.commandLine) {
            try await api.tokens.create(account: ManagementAPI.account, name: "t", permissions: .run, expiresAt: nil)
        }
        let token = await entries(api, "resource_type=account.token&limit=1").first
        #expect(token?["actor"]?["type"] == "command")
        // A last use is no change.
        let before = await entries(api).count
        _ = try await api.pool.query("UPDATE api_tokens SET last_used_at = now()")
        #expect(await entries(api).count == before)
    }

    @Test("a cursor goes through everything once, in both directions, and another account sees nothing of it")
    func paging() async throws {
        let api = try await ManagementAPI()
        for index in 0..<5 { await api.makeGateway("g\(index)") }
        for (direction, expected) in [("desc", [4, 3, 2, 1, 0]), ("asc", [0, 1, 2, 3, 4])] {
            var ids: [String] = []
            var cursor = ""
            repeat {
                let page = await api.send(
                    "GET", Self.log,
                    query: "limit=2&resource_type=ai_gateway.gateway&direction=\(direction)&cursor=\(cursor)"
                )
                ids += (page.result.elements ?? []).compactMap { $0["resource"]?["id"]?.text }
                cursor = page.document["result_info"]?["cursor"]?.text ?? ""
            } while !cursor.isEmpty
            #expect(ids == expected.map { "g\($0)" })
        }
        let elsewhere = await api.send(
            "GET", "/accounts/\(ManagementAPI.otherAccount)/logs/audit", query: "resource_type=ai_gateway.gateway",
            token: api.foreign
        )
        #expect(elsewhere.result == [])
        #expect(await entries(api, "since=2100-01-01").isEmpty)
        #expect(await entries(api, "before=2100-01-01&resource_type=ai_gateway.gateway").count == 5)
        #expect(await api.send("GET", Self.log, query: "since=yesterday").paths == [["query", "since"]])
        #expect(await api.send("GET", Self.log, query: "cursor=x").status == 400)
    }
}
