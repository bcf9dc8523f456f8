@testable import AdminAPI
import ControlPlane
import GatewayCore
import PostgresStore
import Testing

@Suite("Prices of custom providers over the API")
struct CustomCostRoutesTests {
    private static let providers = "/accounts/\(ManagementAPI.account)/ai-gateway/custom-providers"
    private static let costs = providers + "/costs"

    private func provider(_ api: ManagementAPI, _ slug: String = "acme") async throws -> String {
        let made = await api.send(
            "POST", Self.providers,
            body: #"{"name":"n","slug":"\#(slug)","base_url":"https://api.example.com/v1","enable":true}"#
        )
        return try #require(made.result["id"]?.text)
    }

    private func set(_ api: ManagementAPI, _ provider: String, _ more: String) async -> Reply {
        await api.send("POST", Self.costs, body: #"{"account_provider_id":"\#(provider)",\#(more)}"#)
    }

    @Test("a price is stored with its defaults, shown, changed, listed and deleted")
    func life() async throws {
        let api = try await ManagementAPI()
        let id = try await provider(api)
        let made = await set(api, id, #""model":"m","cost_in":0.00000015,"token_pricing":{"input_cached_tokens":1e-8}"#)
        #expect(made.status == 200)
        #expect(made.result["model_rule"] == "equals")
        #expect(made.result["cost_in"]?.double == 0.00000015)
        #expect(made.result["cost_out"] == .null)
        #expect(made.result["cost_type"] == "tokens")
        #expect(made.result["enable"] == true)
        #expect(made.result["changed_by"] == "manual")
        // An answer carries the object as text.
        #expect(made.result["token_pricing"] == #"{"input_cached_tokens":1e-8}"#)
        let one = Self.costs + "/" + (try #require(made.result["id"]?.text))
        #expect(await api.send("GET", one).result == made.result)
        let changed = await api.send(
            "PATCH", one, body: #"{"model_rule":"starts-with","weight":3,"token_pricing":null,"cost_out":0.5}"#
        )
        #expect(changed.result["weight"] == 3)
        #expect(changed.result["token_pricing"] == .null)
        #expect(changed.result["cost_in"]?.double == 0.00000015)
        for (query, count) in [
            ("", 1), ("search=m", 1), ("search=x", 0), ("model_rule=equals", 0), ("model_rule=starts-with", 1),
            ("enable=false", 0), ("account_provider_id=\(id)", 1), ("account_provider_id=x", 0), ("page=2", 0),
        ] {
            let list = await api.send("GET", Self.costs, query: query)
            #expect(list.ids.count == count, "\(query)")
            #expect(list.document["result_info"]?["count"]?.integer == count)
        }
        #expect(await api.send("DELETE", one).status == 200)
        #expect(await api.send("GET", one).codes == [7002])
    }

    @Test(
        "what cannot be a price is refused by name",
        arguments: [
            (#""cost_in":1"#, "model"), (#""model":"m","cost_in":-1"#, "cost_in"),
            (#""model":"m","cost_in":"0.1""#, "cost_in"), (#""model":"m","cost_out":1.5"#, "cost_out"),
            (#""model":"m","model_rule":"regex""#, "model_rule"), (#""model":"m","weight":1.5"#, "weight"),
        ])
    func problems(body: String, name: String) async throws {
        let api = try await ManagementAPI()
        let reply = await set(api, try await provider(api), body)
        #expect(reply.status == 400)
        #expect(reply.paths == [["body", name]])
    }

    @Test("a price needs a provider of its own account, and goes with it")
    func provider() async throws {
        let api = try await ManagementAPI()
        let refused = await set(api, "none", #""model":"m""#)
        #expect(refused.paths == [["body", "account_provider_id"]])
        let id = try await provider(api)
        let elsewhere = await api.send(
            "POST", "/accounts/\(ManagementAPI.otherAccount)/ai-gateway/custom-providers/costs",
            body: #"{"account_provider_id":"\#(id)","model":"m"}"#, token: api.foreign
        )
        #expect(elsewhere.paths == [["body", "account_provider_id"]])
        #expect(await set(api, id, #""model":"m""#).status == 200)
        #expect(await api.send("DELETE", Self.providers + "/" + id).status == 200)
        #expect(await api.send("GET", Self.costs).ids.isEmpty)
    }

    @Test("the snapshot has the prices of a provider, the heaviest first, then the most exact")
    func snapshot() async throws {
        let api = try await ManagementAPI()
        let id = try await provider(api)
        for more in [
            #""model":"gpt","model_rule":"contains","cost_in":0.000001"#,
            #""model":"gpt-5","model_rule":"starts-with","cost_in":0.000002,"cost_out":0.000003"#,
            #""model":"gpt-5-mini","cost_in":0.000004,"token_pricing":{"output_tokens":0.000005,"total_tokens":1}"#,
            #""model":"heavy","weight":7,"token_pricing":{"output_image_count":0.04}"#,
            #""model":"off","weight":9,"enable":false"#, #""model":"other","weight":9,"cost_type":"requests""#,
        ] { #expect(await set(api, id, more).status == 200) }
        let plan = try #require(try await ConfigurationRepository(api.pool).snapshot().customProviders.first)
        #expect(plan.costs.map(\.model) == ["heavy", "gpt-5-mini", "gpt-5", "gpt"])
        #expect(plan.costs[0].rates[.image] == PicoDecimal("0.04".utf8))
        #expect(plan.costs[1].rates[.input] == PicoDecimal("4".utf8))
        #expect(plan.costs[1].rates[.output] == PicoDecimal("5".utf8))
        #expect(plan.costs[2].rates[.output] == PicoDecimal("3".utf8))
        #expect(plan.costs[3].rates[.output] == nil)
        #expect(plan.costs.first { $0.applies(to: "gpt-5-nano") }?.model == "gpt-5")
        #expect(plan.costs.first { $0.applies(to: "my-gpt") }?.model == "gpt")
        var snapshot = ConfigSnapshot(version: 1)
        snapshot.customProviders = [plan]
        #expect(ConfigSnapshot(decoding: snapshot.encoded()) == snapshot)
    }
}
