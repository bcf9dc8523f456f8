@testable import AdminAPI
import ControlPlane
import GatewayCore
import PostgresStore
import SecretVault
import Testing

@Suite("Custom providers over the API")
struct CustomProviderRoutesTests {
    private static let path = "/accounts/\(ManagementAPI.account)/ai-gateway/custom-providers"

    private func create(_ api: ManagementAPI, _ slug: String, _ more: String = "") async -> Reply {
        await api.send(
            "POST", Self.path,
            body: #"{"name":"Acme \#(slug)","slug":"\#(slug)","base_url":"https://api.acme.test/v1/"\#(more)}"#
        )
    }

    private func plans(_ api: ManagementAPI) async throws -> [CustomProviderPlan] {
        try await ConfigurationRepository(api.pool).snapshot().customProviders
    }

    @Test("a provider is made disabled, shown with every member, and compiled without its trailing slash")
    func creation() async throws {
        let api = try await ManagementAPI()
        let created = await create(api, "acme")
        #expect(created.status == 200)
        #expect(
            created.result.members?.map(\.name) == [
                "id", "account_id", "name", "slug", "base_url", "enable", "beta", "description", "link",
                "curl_example", "js_example", "headers", "position", "logo", "created_at", "modified_at",
            ])
        let id = try #require(created.result["id"]?.text)
        #expect(id.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/) != nil)
        #expect(created.result["enable"] == false)
        #expect(created.result["beta"] == false)
        #expect(created.result["base_url"] == "https://api.acme.test/v1/")
        for name in ["description", "link", "curl_example", "js_example", "headers", "position"] {
            #expect(created.result[name] == .null)
        }
        #expect(Int(created.headers["cf-aig-snapshot"] ?? "") != nil)
        #expect(await api.send("GET", Self.path + "/" + id).result == created.result)
        let plan = try #require(try await plans(api).first)
        #expect(plan.slug == "acme" && plan.baseURL == "https://api.acme.test/v1" && !plan.isEnabled)
        #expect(plan.account == ManagementAPI.account && plan.headers == nil)
    }

    @Test("every member is kept as it was sent, text that is no JSON in headers included")
    func everyMember() async throws {
        let api = try await ManagementAPI()
        let created = await create(
            api, "full",
            #","enable":true,"beta":true,"description":"d","link":"link","curl_example":"c","js_example":"j","#
                + #""headers":"headers","position":7,"logo":"bG9nbw==""#
        )
        #expect(created.status == 200)
        #expect(created.result["enable"] == true && created.result["beta"] == true)
        #expect(created.result["link"] == "link" && created.result["position"] == 7)
        #expect(created.result["description"] == "d" && created.result["js_example"] == "j")
        #expect(created.result["curl_example"] == "c" && created.result["logo"] == "bG9nbw==")
        #expect(created.result["headers"] == "****")
        #expect(try await plans(api).first?.isEnabled == true)
    }

    @Test("header values are sealed, shown masked, opened in the snapshot, and survive being sent back masked")
    func headers() async throws {
        let api = try await ManagementAPI()
        let created = await create(api, "h", #","headers":"{\"X-Key\":\"canary-77\",\"X-Team\":\"canary-78\"}""#)
        #expect(created.status == 200)
        #expect(created.result["headers"] == #"{"X-Key":"****","X-Team":"****"}"#)
        let path = Self.path + "/" + (created.result["id"]?.text ?? "")
        let again = await api.send("PATCH", path, body: created.result.encoded)
        #expect(again.status == 200)
        let sealed = try #require(try await plans(api).first?.headers)
        #expect(
            String(decoding: try api.vault.open(sealed).reveal(), as: UTF8.self)
                == #"{"X-Key":"canary-77","X-Team":"canary-78"}"#)
        for row in try await api.pool.query("SELECT p::text AS row FROM custom_providers p") {
            #expect(try !row.text("row").contains("canary"))
        }
        for reply in [created, again, await api.send("GET", Self.path)] { #expect(!reply.text.contains("canary")) }
        #expect(await api.send("PATCH", path, body: #"{"headers":null}"#).result["headers"] == .null)
        #expect(try await plans(api).first?.headers == nil)
        let refused = await api.send("PATCH", path, body: #"{"headers":"{\"Host\":\"x\"}"}"#)
        #expect(refused.status == 400 && refused.paths == [["body", "headers"]])
        #expect(!refused.text.contains("canary"))
    }

    @Test("a new master key opens headers too, and costs no stored answer")
    func masterKey() async throws {
        let api = try await ManagementAPI()
        #expect(await create(api, "h", #","headers":"{\"X-Key\":\"v\"}""#).status == 200)
        let before = try #require(try await plans(api).first)
        let bytes = [UInt8](repeating: 2, count: 32) + [UInt8](repeating: 1, count: 32)
        let report = try await MasterKeyRotation(api.pool).run(try MasterKey(Secret(bytes)))
        #expect(report == MasterKeyRotation.Report(secrets: 1, rewrapped: 1, unreadable: []))
        let after = try #require(try await plans(api).first)
        #expect(after.cacheEpoch == before.cacheEpoch)
        #expect(after.headers != before.headers)
        let renewed = Vault(masterKey: try MasterKey(Secret(Array(bytes.prefix(32)))))
        #expect(try renewed.open(#require(after.headers)).reveal() == Array(#"{"X-Key":"v"}"#.utf8))
    }

    @Test("a provider's key is stored under its whole name, capital letters included")
    func keys() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        for (slug, status) in [("custom-Acme-2", 200), ("custom-a_b", 400), ("Acme", 400), ("custom-custom-x", 200)] {
            let key = await api.send(
                "POST", ManagementAPI.gateways + "/g/provider_configs",
                body: #"{"provider_slug":"\#(slug)","alias":"a","default_config":true,"secret":"some-value"}"#
            )
            #expect(key.status == status, "\(slug)")
        }
        #expect(
            try await ConfigurationRepository(api.pool).snapshot().providerKeys.map(\.provider)
                == ["custom-Acme-2", "custom-custom-x"])
    }

    @Test("a change takes any subset, keeps the rest, and raises the epoch of this provider alone")
    func change() async throws {
        let api = try await ManagementAPI()
        let first = await create(api, "one", #","description":"d""#)
        _ = await create(api, "two")
        let before = try await plans(api)
        let path = Self.path + "/" + (first.result["id"]?.text ?? "")
        let changed = await api.send("PATCH", path, body: #"{"enable":true,"unknown":1}"#)
        #expect(changed.status == 200)
        #expect(changed.result["enable"] == true && changed.result["description"] == "d")
        #expect(changed.result["slug"] == "one" && changed.result["created_at"] == first.result["created_at"])
        let after = try await plans(api)
        #expect(after.map(\.slug) == ["one", "two"])
        #expect(after[0].isEnabled && after[0].cacheEpoch > before[0].cacheEpoch)
        #expect(after[1] == before[1])
        #expect(await api.send("PATCH", path, body: "{}").status == 200)
        #expect(await api.send("PATCH", path, body: #"{"description":null}"#).result["description"] == .null)
        #expect(await api.send("PATCH", path, body: #"{"slug":"three"}"#).result["slug"] == "three")
        let taken = await api.send("PATCH", path, body: #"{"slug":"two"}"#)
        #expect(taken.status == 400 && taken.codes == [7001] && taken.paths == [["body", "slug"]])
        #expect(taken.messages.first?.contains("already exists") == true)
        #expect(await api.send("PATCH", path, body: #"{"name":null}"#).paths == [["body", "name"]])
        #expect(await api.send("PATCH", Self.path + "/none", body: "{}").codes == [7002])
    }

    @Test("a change made with SQL raises epoch and version as well")
    func bySQL() async throws {
        let api = try await ManagementAPI()
        _ = await create(api, "sql")
        let before = try await ConfigurationRepository(api.pool).snapshot()
        _ = try await api.pool.query("UPDATE custom_providers SET enable = true")
        let after = try await ConfigurationRepository(api.pool).snapshot()
        #expect(after.version > before.version)
        let former = try #require(before.customProviders.first)
        #expect(try #require(after.customProviders.first).cacheEpoch > former.cacheEpoch)
    }

    @Test("a deleted provider takes its keys along, and its successor does not inherit its answers")
    func deletion() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        let created = await create(api, "gone")
        let old = try #require(try await plans(api).first)
        for slug in ["custom-gone", "openai"] {
            let key = await api.send(
                "POST", ManagementAPI.gateways + "/g/provider_configs",
                body: #"{"provider_slug":"\#(slug)","alias":"a","default_config":true,"secret":"some-value"}"#
            )
            #expect(key.status == 200)
        }
        let path = Self.path + "/" + (created.result["id"]?.text ?? "")
        let deleted = await api.send("DELETE", path)
        #expect(deleted.status == 200 && deleted.result == created.result)
        #expect(await api.send("GET", path).codes == [7002])
        #expect(await api.send("DELETE", path).status == 404)
        let snapshot = try await ConfigurationRepository(api.pool).snapshot()
        #expect(snapshot.customProviders.isEmpty)
        #expect(snapshot.providerKeys.map(\.provider) == ["openai"])
        #expect(snapshot.secrets.count == 1)
        #expect(await create(api, "gone").status == 200)
        #expect(try #require(try await plans(api).first).cacheEpoch > old.cacheEpoch)
    }

    @Test("the keys of a provider follow its slug, and a later provider of the former slug does not get them")
    func rename() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        let created = await create(api, "old")
        func store(_ slug: String, _ value: String = "some-value") async -> Reply {
            await api.send(
                "POST", ManagementAPI.gateways + "/g/provider_configs",
                body: #"{"provider_slug":"\#(slug)","alias":"a","default_config":true,"secret":"\#(value)"}"#
            )
        }
        func names() async throws -> [String] {
            try await api.pool.query("SELECT name FROM secrets ORDER BY name").map { try $0.text("name") }
        }
        #expect(await store("custom-old").status == 200)
        #expect(await store("custom-meant-for-another").status == 200)
        let path = Self.path + "/" + (created.result["id"]?.text ?? "")
        let refused = await api.send("PATCH", path, body: #"{"slug":"meant-for-another"}"#)
        #expect(refused.status == 400 && refused.codes == [7001] && refused.paths == [["body", "slug"]])
        #expect(try await plans(api).map(\.slug) == ["old"])
        let before = try await ConfigurationRepository(api.pool).snapshot()
        #expect(await api.send("PATCH", path, body: #"{"slug":"new"}"#).status == 200)
        let after = try await ConfigurationRepository(api.pool).snapshot()
        let slugs = Set(after.providerKeys.map(\.provider))
        #expect(slugs == ["custom-meant-for-another", "custom-new"])
        let secret = before.providerKeys.first { $0.provider == "custom-old" }?.secret
        #expect(after.providerKeys.first { $0.provider == "custom-new" }?.secret == secret)
        #expect(try await names() == ["g_custom-meant-for-another_a", "g_custom-new_a"])
        // The former slug is free, with its names.
        #expect(await create(api, "old").status == 200)
        #expect(await store("custom-old", "value-of-the-successor").status == 200)
        #expect(try await names().count == 3)
    }

    @Test("lists are ordered, filtered, searched and paged")
    func list() async throws {
        let api = try await ManagementAPI()
        for (slug, more) in [
            ("b", ""), ("a", #","enable":true"#), ("z", #","position":1,"beta":true"#), ("y", #","position":0"#),
        ] { #expect(await create(api, slug, more).status == 200) }
        func slugs(_ query: String) async -> String {
            let reply = await api.send("GET", Self.path, query: query)
            return reply.status == 200
                ? (reply.result.elements ?? []).compactMap { $0["slug"]?.text }.joined() : "\(reply.status)"
        }
        #expect(await slugs("") == "yzab")
        #expect(await slugs("order_by=name%20ASC") == "abyz")
        #expect(await slugs("order_by=name&order_by_direction=desc") == "zyba")
        #expect(await slugs("order_by=created_at") == "bazy")
        #expect(await slugs("enable=true") == "a")
        #expect(await slugs("beta=1") == "z")
        #expect(await slugs("search=ACME%20B") == "b")
        #expect(await slugs("search=%25") == "")
        #expect(await slugs("per_page=3&page=2") == "b")
        #expect(await slugs("page=9") == "")
        #expect(await slugs("per_page=101") == "400")
        #expect(await slugs("enable=maybe") == "400")
        #expect(await slugs("order_by=secret") == "400")
        let info = await api.send("GET", Self.path, query: "per_page=3").document["result_info"]
        #expect(info?["count"] == 3 && info?["total_count"] == 4 && info?["total_pages"] == 2)
    }

    @Test(
        "each bad member is named",
        arguments: [
            ("{}", ["base_url", "name", "slug"]), (#"{"name":"n","slug":"s"}"#, ["base_url"]),
            (#"{"name":"","slug":"s","base_url":"https://a.test"}"#, ["name"]),
            (#"{"name":"n","slug":"a_b","base_url":"https://a.test"}"#, ["slug"]),
            (#"{"name":"n","slug":"a/b","base_url":"https://a.test"}"#, ["slug"]),
            (#"{"name":"n","slug":"s","base_url":"http://a.test"}"#, ["base_url"]),
            (#"{"name":"n","slug":"s","base_url":"https://u:p@a.test"}"#, ["base_url"]),
            (#"{"name":"n","slug":"s","base_url":"https://a.test?x"}"#, ["base_url"]),
            (#"{"name":"n","slug":"s","base_url":"https://127.1"}"#, ["base_url"]),
            (#"{"name":"n","slug":"s","base_url":"https://[::ffff:7f00:1]"}"#, ["base_url"]),
            (#"{"name":"n","slug":"s","base_url":"https://0xa9fea9fe"}"#, ["base_url"]),
            (#"{"name":"n","slug":"s","base_url":"https://localhost"}"#, ["base_url"]),
            (#"{"name":"n","slug":"s","base_url":"https://a.test","enable":"yes"}"#, ["enable"]),
            (#"{"name":"n","slug":"s","base_url":"https://a.test","position":1.5}"#, ["position"]),
            (#"{"name":"n","slug":"s","base_url":"https://a.test","headers":{}}"#, ["headers"]),
            ("[]", [""]),
        ])
    func badMembers(body: String, names: [String]) async throws {
        let api = try await ManagementAPI()
        let reply = await api.send("POST", Self.path, body: body)
        #expect(reply.status == 400 && Set(reply.codes) == [7001])
        #expect(reply.paths.map { $0.dropFirst().first ?? "" }.sorted() == names)
        #expect(try await plans(api).isEmpty)
    }

    @Test("a slug is unique within its account and free in another one, whose providers stay out of sight")
    func accounts() async throws {
        let api = try await ManagementAPI()
        let created = await create(api, "mine")
        let again = await create(api, "mine")
        #expect(again.status == 400 && again.paths == [["body", "slug"]])
        let elsewhere = "/accounts/\(ManagementAPI.otherAccount)/ai-gateway/custom-providers"
        #expect(await api.send("GET", elsewhere, token: api.foreign).ids.isEmpty)
        let path = elsewhere + "/" + (created.result["id"]?.text ?? "")
        for method in ["GET", "PATCH", "DELETE"] {
            #expect(await api.send(method, path, token: api.foreign).status == 404)
        }
        let theirs = await api.send(
            "POST", elsewhere, body: #"{"name":"n","slug":"mine","base_url":"https://b.test"}"#, token: api.foreign
        )
        #expect(theirs.status == 200)
        #expect(try await plans(api).count == 2)
    }

    @Test("an operator who allows private addresses allows them, and plain HTTP")
    func privateAddresses() async throws {
        let api = try await ManagementAPI(egress: .anyAddress)
        for (index, base) in ["http://127.0.0.1:8080", "https://localhost", "http://10.0.0.1/v1"].enumerated() {
            let reply = await api.send(
                "POST", Self.path, body: #"{"name":"n","slug":"s\#(index)","base_url":"\#(base)"}"#
            )
            #expect(reply.status == 200)
        }
    }

    @Test("a provider without a logo gets its initial")
    func logo() throws {
        #expect(ProviderLogo(name: " acme").svg.contains(">A</text></svg>"))
        #expect(ProviderLogo(name: "<&>").svg.contains(">?</text></svg>"))
        for (text, encoded) in [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] { #expect(ProviderLogo.base64(Array(text.utf8)) == encoded) }
        #expect(ProviderLogo.base64([0xfb, 0xff, 0xfe]) == "+//+")
    }
}
