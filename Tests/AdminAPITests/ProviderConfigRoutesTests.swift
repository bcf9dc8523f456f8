import ControlPlane
import GatewayCore
import PostgresStore
import SecretVault
import Testing

@Suite("Provider configs over the API")
struct ProviderConfigRoutesTests {
    private static let path = ManagementAPI.gateways + "/g/provider_configs"

    @Test("a key that is stored is sealed, previewed, never shown, and opens in the snapshot")
    func sealedKey() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        let created = await api.send(
            "POST", Self.path,
            body:
                #"{"provider_slug":"openai","alias":"default","default_config":true,"secret":"sk-canary-0123456789-wxyz"}"#
        )
        #expect(created.status == 200)
        #expect(
            created.result.members?.map(\.name) == [
                "id", "alias", "default_config", "gateway_id", "provider_slug", "secret_id", "secret_preview",
                "rate_limit", "rate_limit_period", "modified_at",
            ]
        )
        #expect(created.result["secret_preview"] == "****wxyz")
        #expect(created.result["default_config"] == true)
        #expect(created.result["rate_limit"] == .null)
        #expect(created.result["rate_limit_period"] == 60)
        #expect(!created.text.contains("canary"))
        let list = await api.send("GET", Self.path)
        #expect(list.result.elements == [created.result])
        #expect(!list.text.contains("canary"))

        let snapshot = try await ConfigurationRepository(api.pool).snapshot()
        let key = try #require(snapshot.providerKeys.first)
        #expect(key.isDefault)
        let sealed = try #require(snapshot.secrets.first { $0.id == key.secret })
        #expect(sealed.name.isEmpty, "no request can call it by its name")
        let names = try await api.pool.query("SELECT name FROM secrets").map { try $0.text("name") }
        #expect(names == ["g_openai_default"])
        #expect(sealed.account == ManagementAPI.account)
        #expect(try api.vault.open(sealed).reveal() == Array("sk-canary-0123456789-wxyz".utf8))
        for row in try await api.pool.query("SELECT s::text AS row FROM secrets s") {
            #expect(try !row.text("row").contains("canary"))
        }
        let stores = try await api.pool.query("SELECT name FROM secret_stores")
        #expect(try stores.map { try $0.text("name") } == ["default_secrets_store"])
    }

    @Test("a key is rotated under the same secret, and deleting its config deletes the secret")
    func rotation() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        let created = await api.send(
            "POST", Self.path,
            body: #"{"provider_slug":"openai","alias":"a","default_config":false,"secret":"first-value-123456"}"#
        )
        let path = Self.path + "/" + (created.result["id"]?.text ?? "")
        let rotated = await api.send("PUT", path, body: #"{"secret":"second-value-65432"}"#)
        #expect(rotated.status == 200)
        #expect(rotated.result["secret_id"] == created.result["secret_id"])
        #expect(rotated.result["secret_preview"] == "****5432")
        let sealed = try #require(try await ConfigurationRepository(api.pool).snapshot().secrets.first)
        #expect(try api.vault.open(sealed).reveal() == Array("second-value-65432".utf8))
        #expect(await api.send("PUT", path, body: "{}").paths == [["body", "secret"]])
        #expect(await api.send("DELETE", path).result["id"] == created.result["id"])
        #expect(try await api.pool.query("SELECT 1 FROM secrets").isEmpty)
        #expect(await api.send("DELETE", path).status == 404)
        #expect(await api.send("PUT", path, body: #"{"secret":"x"}"#).codes == [7002])
    }

    @Test("one config per provider and alias, and one default per provider")
    func uniqueness() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        func create(_ slug: String, _ alias: String, _ more: String) async -> Reply {
            await api.send("POST", Self.path, body: #"{"provider_slug":"\#(slug)","alias":"\#(alias)",\#(more)}"#)
        }
        #expect(await create("openai", "a", #""default_config":true,"secret":"v""#).status == 200)
        let again = await create("openai", "a", #""default_config":true,"secret":"v""#)
        #expect(again.status == 400)
        #expect(again.codes == [7001])
        #expect(again.messages.first?.contains("already exists") == true)
        #expect(await create("openai", "b", #""default_config":true,"secret":"v""#).status == 200)
        let defaults = await api.send("GET", Self.path).result.elements?.map { $0["default_config"] }
        #expect(defaults == [false, true])
        #expect(
            await create("google", "a", #""default_config":true,"secret":"v""#).result["provider_slug"]
                == "google-ai-studio")
        let missing = await create("groq", "x", #""default_config":true"#)
        #expect(missing.status == 400)
        #expect(missing.messages.first?.contains("was not found") == true)
        let unknown = await create(
            "groq", "x", #""default_config":true,"secret_id":"00000000000000000000000000000000""#)
        #expect(unknown.codes == [7001])
        #expect(await create("", "", "").status == 400)
        let control = await create("openai", #"a\nb"#, #""default_config":true,"secret":"v""#)
        #expect(control.paths == [["body", "alias"]])
        let elsewhere = await api.send(
            "POST", ManagementAPI.gateways + "/none/provider_configs",
            body: #"{"provider_slug":"openai","alias":"a","default_config":true,"secret":"v"}"#
        )
        #expect(elsewhere.status == 404)
        #expect(elsewhere.codes == [7002])
        #expect(await api.send("GET", ManagementAPI.gateways + "/none/provider_configs").result == [])
    }

    @Test("a secret of another account cannot be used, one of this account can")
    func existingSecret() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        let envelope = try api.vault.seal(Secret(Array("v".utf8)), account: ManagementAPI.account, secretID: "s")
        func store(_ id: String, account: AccountID, secret: String) async throws {
            _ = try await api.pool.query(
                "INSERT INTO secret_stores (id, account_id, name) VALUES ($1, $2, 'mine')",
                [.text(id), .text(account.rawValue)]
            )
            _ = try await api.pool.query(
                "INSERT INTO secrets (id, store_id, name, scopes, envelope) VALUES ($1, $2, 'n', '{ai_gateway}', $3)",
                [.text(secret), .text(id), .bytes(envelope)]
            )
        }
        let own = String(repeating: "a", count: 32)
        let foreign = String(repeating: "b", count: 32)
        try await store(String(repeating: "1", count: 32), account: ManagementAPI.account, secret: own)
        try await store(String(repeating: "2", count: 32), account: ManagementAPI.otherAccount, secret: foreign)
        func create(_ secret: String, _ alias: String) async -> Reply {
            await api.send(
                "POST", Self.path,
                body: #"{"provider_slug":"openai","alias":"\#(alias)","default_config":false,"secret_id":"\#(secret)"}"#
            )
        }
        #expect(await create(foreign, "x").status == 400)
        let created = await create(own, "y")
        #expect(created.status == 200)
        #expect(await api.send("DELETE", Self.path + "/" + (created.result["id"]?.text ?? "")).status == 200)
        #expect(try await api.pool.query("SELECT 1 FROM secrets WHERE id = $1", [.text(own)]).count == 1)
    }
}
