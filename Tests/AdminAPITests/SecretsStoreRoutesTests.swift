import ControlPlane
import GatewayCore
import PostgresStore
import SecretVault
import Testing

@Suite("The Secrets Store over the API")
struct SecretsStoreRoutesTests {
    private static let root = "/accounts/\(ManagementAPI.account)/secrets_store"
    private static let stores = root + "/stores"

    private func makeStore(_ api: ManagementAPI, _ name: String = "s") async -> String {
        let made = await api.send("POST", Self.stores, body: #"{"name":"\#(name)"}"#)
        #expect(made.status == 200)
        return Self.stores + "/" + (made.result["id"]?.text ?? "")
    }

    private func secret(_ name: String, _ value: String = "v", more: String = "") -> String {
        #"{"name":"\#(name)","value":"\#(value)","scopes":["workers","ai_gateway"]\#(more)}"#
    }

    @Test("a store is made, listed, shown and deleted, and its cap and its names are kept")
    func stores() async throws {
        let api = try await ManagementAPI()
        let made = await api.send("POST", Self.stores, body: #"{"name":"b"}"#)
        #expect(made.status == 200)
        #expect(made.headers["cf-aig-snapshot"].flatMap(Int.init) != nil)
        #expect(made.result.members?.map(\.name) == ["id", "name", "account_id", "created", "modified"])
        let id = try #require(made.result["id"]?.text)
        #expect(id.utf8.count == 32)
        #expect(made.result["created"]?.text?.hasSuffix("Z") == true)
        let shown = await api.send("GET", Self.stores + "/" + id)
        #expect(shown.result == made.result)
        let again = await api.send("POST", Self.stores, body: #"{"name":"b"}"#)
        #expect(again.status == 400 && again.codes == [1003] && again.messages == ["store_name_already_exists"])
        _ = await makeStore(api, "a")
        _ = await makeStore(api, "c")
        let fourth = await api.send("POST", Self.stores, body: #"{"name":"d"}"#)
        #expect(fourth.status == 400 && fourth.codes == [1003] && fourth.messages == ["maximum_stores_exceeded"])
        let list = await api.send("GET", Self.stores, query: "order=name&direction=desc&per_page=2")
        #expect(list.result.elements?.map { $0["name"] } == ["c", "b"])
        #expect(list.document["result_info"]?["total_count"] == 3)
        #expect(await api.send("GET", Self.stores, query: "page=9").result == [])
        #expect(await api.send("GET", Self.stores, query: "per_page=0").result == [])
        #expect(await api.send("GET", Self.stores, query: "per_page=101").status == 400)
        #expect(await api.send("GET", Self.stores, query: "order=size").status == 400)
        let deleted = await api.send("DELETE", Self.stores + "/" + id)
        #expect(deleted.result["id"]?.text == id)
        for method in ["GET", "DELETE"] {
            let gone = await api.send(method, Self.stores + "/" + id)
            #expect(gone.status == 404 && gone.codes == [1001] && gone.messages == ["store_not_found"])
        }
        for (body, message) in [
            ("{}", "store_name_empty"), (#"{"name":""}"#, "store_name_empty"), (#"{"name":1}"#, "invalid_json_body"),
            ("[]", "invalid_json_body"), ("{", "invalid_json_body"),
        ] {
            let refused = await api.send("POST", Self.stores, body: body)
            #expect(refused.status == 400 && refused.messages == [message], "\(body)")
        }
    }

    @Test("secrets are made together, listed, changed, copied and deleted, and no answer has a value")
    func secrets() async throws {
        let api = try await ManagementAPI()
        let store = await makeStore(api)
        let body = "[\(secret("B", "canary-one-0123456789", more: #","comment":"bee""#)),\(secret("A", "canary-two"))]"
        let created = await api.send("POST", store + "/secrets", body: body)
        #expect(created.status == 200)
        let first = try #require(created.result.elements?.first)
        #expect(
            first.members?.map(\.name) == [
                "id", "name", "store_id", "status", "scopes", "comment", "created", "modified",
            ]
        )
        #expect(first["scopes"] == ["ai_gateway", "workers"])
        #expect(first["status"] == "active")
        #expect(first["comment"] == "bee")
        let id = try #require(first["id"]?.text)
        let path = store + "/secrets/" + id
        let listed = await api.send("GET", store + "/secrets")
        #expect(listed.result.elements?.map { $0["name"] } == ["A", "B"])
        #expect(await api.send("GET", store + "/secrets", query: "search=BEE").ids == [id])
        #expect(await api.send("GET", store + "/secrets", query: "search=100%25").ids.isEmpty)
        #expect(await api.send("GET", store + "/secrets", query: "scopes=dex&scopes=access").ids.isEmpty)
        #expect(await api.send("GET", store + "/secrets", query: "scopes=dex&scopes=workers").ids.count == 2)
        #expect(
            await api.send("GET", store + "/secrets", query: "scopes=nonsense").messages == ["secret_scope_invalid"])
        #expect(await api.send("GET", path).result == first)

        let edited = await api.send("PATCH", path, body: #"{"value":"canary-three","comment":null,"name":"C"}"#)
        #expect(edited.result["name"] == "B" && edited.result["comment"] == .null)
        #expect(edited.result["scopes"] == ["ai_gateway", "workers"])
        let narrowed = await api.send("PATCH", path, body: #"{"scopes":["workers"]}"#)
        #expect(narrowed.result["scopes"] == ["workers"])
        let copied = await api.send("POST", path + "/duplicate", body: #"{"name":"D","scopes":["ai_gateway"]}"#)
        #expect(copied.status == 200 && copied.result["name"] == "D")
        let quota = await api.send("GET", Self.root + "/quota")
        #expect(quota.result == ["secrets": ["quota": 8, "usage": 3]])

        let sealed = try await ConfigurationRepository(api.pool).snapshot().secrets
        #expect(Set(sealed.map(\.name)) == ["A", "D"], "only the scope ai_gateway concerns the data plane")
        let copy = try #require(sealed.first { $0.name == "D" })
        #expect(try api.vault.open(copy).reveal() == Array("canary-three".utf8))

        let full = await api.send("DELETE", store)
        #expect(full.status == 409 && full.messages == ["store_not_empty"])
        #expect(await api.send("DELETE", store + "/secrets").status == 202)
        #expect(await api.send("GET", store + "/secrets").ids.count == 3)
        let some = await api.send("DELETE", store + "/secrets", body: #"{"ids":["\#(copy.id)","nonsense"]}"#)
        #expect(some.status == 202 && some.ids == [copy.id.rawValue])
        let deleted = await api.send("DELETE", path)
        #expect(deleted.result["id"]?.text == id)
        for (method, tail) in [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/duplicate")] {
            let gone = await api.send(method, path + tail, body: #"{"name":"E","scopes":["dex"]}"#)
            #expect(gone.status == 404 && gone.codes == [1001] && gone.messages == ["secret_not_found"], "\(method)")
        }
        #expect(await api.send("DELETE", store, query: "force=true").status == 200)
        #expect(await api.send("GET", store + "/secrets").messages == ["store_not_found"])
        #expect(try await api.pool.query("SELECT 1 FROM secrets").isEmpty)
        for reply in [created, listed, edited, narrowed, copied, deleted] { #expect(!reply.text.contains("canary")) }
    }

    @Test("what cannot be a secret is refused in the store's own words, and nothing of the array is stored")
    func refusals() async throws {
        let api = try await ManagementAPI()
        let store = await makeStore(api)
        _ = await api.send("POST", store + "/secrets", body: "[\(secret("taken"))]")
        let long = String(repeating: "x", count: 65_537)
        for (body, code, message) in [
            ("{}", 1001, "invalid_json_body"), ("[]", 1001, "invalid_json_body"),
            ("nonsense", 1001, "invalid_json_body"),
            ("[1]", 1001, "invalid_json_body"),
            (#"[{"value":"v","scopes":["dex"]}]"#, 1001, "secret_name_empty"),
            (#"[{"name":"a b","value":"v","scopes":["dex"]}]"#, 1001, "secret_name_invalid"),
            (#"[{"name":"n","value":"v"}]"#, 1001, "secret_scopes_empty"),
            (#"[{"name":"n","value":"v","scopes":[]}]"#, 1001, "secret_scopes_empty"),
            (#"[{"name":"n","value":"v","scopes":["everything"]}]"#, 1001, "secret_scope_invalid"),
            (#"[{"name":"n","value":"","scopes":["dex"]}]"#, 1001, "secret_value_empty"),
            (#"[{"name":"n","scopes":["dex"]}]"#, 1001, "secret_value_empty"),
            ("[\(secret("n", long))]", 1001, "secret_value_too_long"),
            ("[\(secret("n")),\(secret("taken"))]", 1003, "secret_name_already_exists"),
            ("[\(secret("n")),\(secret("n"))]", 1003, "secret_name_already_exists"),
            ("[\((0..<8).map { secret("n\($0)") }.joined(separator: ","))]", 1003, "maximum_secrets_exceeded"),
        ] {
            let refused = await api.send("POST", store + "/secrets", body: body)
            #expect(
                refused.status == 400 && refused.codes == [code] && refused.messages == [message], "\(body.prefix(60))")
        }
        #expect(await api.send("GET", store + "/secrets").ids.count == 1)
        let elsewhere = await api.send(
            "POST", Self.stores + "/00000000000000000000000000000000/secrets", body: "[\(secret("n"))]"
        )
        #expect(elsewhere.status == 404 && elsewhere.messages == ["store_not_found"])
    }

    @Test("another account sees neither stores nor secrets, and a reader changes nothing")
    func isolation() async throws {
        let api = try await ManagementAPI()
        let store = await makeStore(api)
        let created = await api.send("POST", store + "/secrets", body: "[\(secret("n"))]")
        let id = created.ids.first ?? ""
        let theirs = store.replacing("\(ManagementAPI.account)", with: "\(ManagementAPI.otherAccount)")
        for (method, path, body) in [
            ("GET", theirs, ""), ("DELETE", theirs, ""), ("GET", theirs + "/secrets", ""),
            ("GET", theirs + "/secrets/" + id, ""), ("PATCH", theirs + "/secrets/" + id, #"{"value":"x"}"#),
            ("DELETE", theirs + "/secrets/" + id, ""), ("DELETE", theirs + "/secrets", #"{"ids":["\#(id)"]}"#),
            ("POST", theirs + "/secrets/" + id + "/duplicate", #"{"name":"x","scopes":["dex"]}"#),
        ] {
            #expect(await api.send(method, path, body: body, token: api.foreign).status == 404, "\(method) \(path)")
        }
        #expect(await api.send("POST", store + "/secrets", body: "[\(secret("m"))]", token: api.read).status == 403)
        #expect(await api.send("GET", store + "/secrets", token: api.read).ids == [id])
        #expect(await api.send("GET", store + "/secrets", token: api.run).status == 403)
    }

    @Test("references are kept sealed and apart from values, and only those the operator allows")
    func references() async throws {
        let api = try await ManagementAPI()
        let store = await makeStore(api)
        func create(_ name: String, _ value: String) async -> Reply {
            await api.send("POST", store + "/secrets", body: "[\(secret(name, value))]")
        }
        #expect(await create("e", "env:AIG_TEST_KEY").status == 200)
        #expect(await create("v", "vault:kv/ai/openai").status == 200)
        #expect(await create("l", "literal:env:HOME").status == 200)
        for value in [
            "env:HOME", "file:/etc/passwd", "vault:kv/other/x", "env:", "env:1A", "file:relative", "vault:kv",
        ] {
            let refused = await create("r", value)
            #expect(refused.status == 400 && refused.codes == [1001], "\(value)")
            #expect(refused.messages.first?.hasPrefix("secret_reference_refused") == true)
        }
        let content = try await ConfigurationRepository(api.pool).content()
        #expect(Set(content.references.map(\.name)) == ["e", "v"])
        #expect(content.snapshot.secrets.map(\.name) == ["l"])
        let literal = try #require(content.snapshot.secrets.first)
        #expect(try api.vault.open(literal).reveal() == Array("env:HOME".utf8))
        let texts = try content.references.map { String(decoding: try api.vault.open($0).reveal(), as: UTF8.self) }
        #expect(Set(texts) == ["env:AIG_TEST_KEY", "vault:kv/ai/openai#value"])
        await api.makeGateway("g")
        let config = await api.send(
            "POST", ManagementAPI.gateways + "/g/provider_configs",
            body: #"{"provider_slug":"openai","alias":"a","default_config":true,"secret":"env:HOME"}"#
        )
        #expect(config.status == 400 && config.paths == [["body", "secret"]])
        let allowed = await api.send(
            "POST", ManagementAPI.gateways + "/g/provider_configs",
            body: #"{"provider_slug":"openai","alias":"a","default_config":true,"secret":"env:AIG_TEST_KEY"}"#
        )
        #expect(allowed.status == 200 && allowed.result["secret_preview"] == "****")
    }

    @Test("a secret that was made for a provider config has no name by which a request could call it")
    func ownedSecrets() async throws {
        let api = try await ManagementAPI()
        let store = await makeStore(api)
        #expect(await api.send("POST", store + "/secrets", body: "[\(secret("shared", "value-one"))]").status == 200)
        await api.makeGateway("g")
        for (alias, value) in [("plain", "value-two"), ("elsewhere", "env:AIG_TEST_KEY")] {
            let made = await api.send(
                "POST", ManagementAPI.gateways + "/g/provider_configs",
                body: #"{"provider_slug":"openai","alias":"\#(alias)","default_config":false,"secret":"\#(value)"}"#
            )
            #expect(made.status == 200)
        }
        let content = try await ConfigurationRepository(api.pool).content()
        #expect(content.snapshot.secrets.map(\.name).sorted() == ["", "shared"])
        #expect(content.references.map(\.name) == ["g_openai_elsewhere"], "the process log tells which one fails")
        #expect(content.callable(content.references).map(\.name) == [""])
        let index = SnapshotIndex(content.snapshot)
        #expect(index.secret(named: "shared", of: ManagementAPI.account) != nil)
        for name in ["", "g_openai_plain", "g_openai_elsewhere"] {
            #expect(index.secret(named: name, of: ManagementAPI.account) == nil)
        }
        let keys = index.keys(for: "openai", of: "g", in: ManagementAPI.account)
        #expect(keys.compactMap { index.secret($0.secret) }.count == 1)
        var owned = content.snapshot
        owned.secrets.removeAll { !$0.name.isEmpty }
        #expect(index.hasSecrets && !SnapshotIndex(owned).hasSecrets)
    }

    @Test("a provider config shows the preview of a changed secret, and outlives a deleted one")
    func providerConfigs() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        let path = ManagementAPI.gateways + "/g/provider_configs"
        let store = await makeStore(api, "default_secrets_store")
        let created = await api.send(
            "POST", store + "/secrets", body: "[\(secret("g_openai_prod", "0123456789-abcdef"))]")
        let id = created.ids.first ?? ""
        let config = await api.send(
            "POST", path, body: #"{"provider_slug":"openai","alias":"prod","default_config":true}"#
        )
        #expect(config.result["secret_id"]?.text == id, "found by its name")
        #expect(config.result["secret_preview"] == "****cdef")
        _ = await api.send("PATCH", store + "/secrets/" + id, body: #"{"value":"0123456789-uvwxyz"}"#)
        #expect(await api.send("GET", path).result.elements?.first?["secret_preview"] == "****wxyz")
        #expect(await api.send("DELETE", store + "/secrets/" + id).status == 200)
        let snapshot = try await ConfigurationRepository(api.pool).snapshot()
        #expect(snapshot.providerKeys.map(\.secret.rawValue) == [id], "calls are refused instead of going out bare")
        #expect(snapshot.secrets.isEmpty)
        let configID = config.result["id"]?.text ?? ""
        let rotated = await api.send("PUT", path + "/" + configID, body: #"{"secret":"0123456789-second"}"#)
        #expect(rotated.status == 200 && rotated.result["secret_id"]?.text != id)
        let after = try await ConfigurationRepository(api.pool).snapshot()
        let sealed = try #require(after.secrets.first)
        #expect(after.providerKeys.first?.secret == sealed.id)
        let names = try await api.pool.query("SELECT name FROM secrets").map { try $0.text("name") }
        #expect(names == ["g_openai_prod"])
        #expect(try api.vault.open(sealed).reveal() == Array("0123456789-second".utf8))
        #expect(await api.send("DELETE", path + "/" + configID).status == 200)
        #expect(try await api.pool.query("SELECT 1 FROM secrets").isEmpty, "made for the config, gone with it")
    }

    @Test("a secret that merely looks as if made for a config stays when the config goes")
    func ownership() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        let store = await makeStore(api)
        let made = await api.send(
            "POST", store + "/secrets", body: "[\(secret("n", "v", more: #","comment":"Made for a provider config""#))]"
        )
        let config = await api.send(
            "POST", ManagementAPI.gateways + "/g/provider_configs",
            body:
                #"{"provider_slug":"openai","alias":"a","default_config":true,"secret_id":"\#(made.ids.first ?? "")"}"#
        )
        let path = ManagementAPI.gateways + "/g/provider_configs/" + (config.result["id"]?.text ?? "")
        #expect(await api.send("DELETE", path).status == 200)
        #expect(await api.send("GET", store + "/secrets").ids == made.ids)
    }

    @Test("an exporter reaches the secrets of gateways by their names, those of the default store first, and no other")
    func secretsOfExporters() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        let repository = SecretRepository(api.pool)
        func value(_ name: String) async throws -> String? {
            guard let (id, text) = try await repository.sealed(named: name, of: ManagementAPI.account) else {
                return nil
            }
            let opened = try api.vault.open(text.envelope, account: ManagementAPI.account, secretID: id)
            return String(decoding: opened.reveal(), as: UTF8.self)
        }
        let older = await makeStore(api, "older")
        let body = secret("twice", "from the older store")
        #expect(await api.send("POST", older + "/secrets", body: "[\(body)]").status == 200)
        let other = secret("foreign").replacing(#""workers","ai_gateway""#, with: #""workers""#)
        #expect(await api.send("POST", older + "/secrets", body: "[\(other)]").status == 200)
        #expect(try await value("twice") == "from the older store")
        #expect(try await value("foreign") == nil, "it is not meant for gateways")
        let standard = await makeStore(api, SecretStoreRepository.defaultName)
        #expect(
            await api.send("POST", standard + "/secrets", body: "[\(secret("twice", "from the default store"))]").status
                == 200)
        #expect(try await value("twice") == "from the default store")
        // A provider's key is that provider's alone.
        let config =
            #"{"provider_slug":"openai","alias":"default","default_config":true,"secret":"sk-owned-0123456789-wxyz"}"#
        #expect(await api.send("POST", ManagementAPI.gateways + "/g/provider_configs", body: config).status == 200)
        let owned = try await api.pool.query("SELECT name FROM secrets WHERE owned").map { try $0.text("name") }
        #expect(owned.count == 1)
        for name in owned { #expect(try await value(name) == nil) }
    }
}
