@testable import AdminAPI
import ControlPlane
import GatewayCore
import PostgresStore
import Testing

@Suite("Tokens by the management API")
struct TokenRoutesTests {
    private static let tokens = "/accounts/\(ManagementAPI.account)/tokens"
    private static let own = #""com.cloudflare.api.account.\#(ManagementAPI.account)":"*""#

    private func group(_ name: String) throws -> PermissionGroup {
        try #require(PermissionGroup.all.first { $0.name == name })
    }

    /// The body of a call that makes a token with these groups.
    private func body(_ groups: String..., more: String = "") throws -> String {
        let ids = try groups.map { #"{"id":"\#(try group($0).id)"}"# }.joined(separator: ",")
        return
            #"{"name":"t","policies":[{"effect":"allow","resources":{\#(Self.own)},"permission_groups":[\#(ids)]}]\#(more)}"#
    }

    private func make(_ api: ManagementAPI, _ groups: String..., more: String = "") async throws -> (String, String) {
        let ids = try groups.map { #"{"id":"\#(try group($0).id)"}"# }.joined(separator: ",")
        let policy = #"{"effect":"allow","resources":{\#(Self.own)},"permission_groups":[\#(ids)]}"#
        let made = await api.send("POST", Self.tokens, body: #"{"name":"t","policies":[\#(policy)]\#(more)}"#)
        #expect(made.status == 200)
        return (try #require(made.result["id"]?.text), try #require(made.result["value"]?.text))
    }

    @Test("the groups are those that Cloudflare documents, each with an id of its own and permissions of its own")
    func groups() async throws {
        let api = try await ManagementAPI()
        let listed = await api.send("GET", Self.tokens + "/permission_groups")
        let ids = Dictionary(
            uniqueKeysWithValues: (listed.result.elements ?? []).map { ($0["name"]?.text ?? "", $0["id"]?.text ?? "") }
        )
        #expect(ids["AI Gateway Read"] == "4dc8917b4b40457d88d3035d5dadb054")
        #expect(ids["AI Gateway Write"] == "6c8a3737f07f46369c1ea1f22138daaf")
        #expect(ids["Secrets Store Read"] == "5e33b7d77788455c9fdf18cbd38ee5a0")
        #expect(ids["Secrets Store Write"] == "adc8fa2bc6124928a8b3314dc63a1235")
        #expect(Set(ids.values).count == ids.count && ids.values.allSatisfy { $0.utf8.count == 32 })
        #expect(Set(PermissionGroup.all.map(\.permissions)).count == ids.count)
        // Whatever can be stored can be shown.
        #expect(
            PermissionGroup.all.reduce(into: Permissions()) { $0.formUnion($1.permissions) }.words
                == Permissions.allWords)
        let one = await api.send("GET", "/user/tokens/permission_groups", query: "name=AI%20Gateway%20Run")
        #expect(one.result.elements?.map { $0["name"]?.text } == ["AI Gateway Run"])
        #expect(one.result.elements?.first?["is_selectable"] == true)
        let zones = await api.send(
            "GET", Self.tokens + "/permission_groups", query: "scope=com.cloudflare.api.account.zone"
        )
        #expect(zones.result == [])
        let seen = await api.send("GET", Self.tokens + "/permission_groups", token: api.read)
        #expect(seen.result.elements?.allSatisfy { $0["is_selectable"] == false } == true)
    }

    @Test("a token is made, shown without its value, changed, given another value and deleted")
    func life() async throws {
        let api = try await ManagementAPI()
        let end = Instant(milliseconds: 4_102_444_800_000)
        let (id, value) = try await make(
            api, "AI Gateway Read", "AI Gateway Run", more: #","expires_on":"2100-01-01T00:00:00Z""#
        )
        let shown = await api.send("GET", Self.tokens + "/\(id)")
        #expect(shown.result["status"] == "active")
        #expect(shown.result["expires_on"]?.text == Timestamp.text(end))
        #expect(shown.result["value"] == nil)
        let policy = try #require(shown.result["policies"]?.elements?.first)
        #expect(policy["effect"] == "allow")
        #expect(policy["resources"] == ["com.cloudflare.api.account.\(ManagementAPI.account)": "*"])
        #expect(
            policy["permission_groups"]?.elements?.compactMap { $0["name"]?.text } == [
                "AI Gateway Run", "AI Gateway Read",
            ])
        #expect(await api.send("GET", ManagementAPI.gateways, token: value).status == 200)
        #expect(await api.send("GET", "/accounts/\(ManagementAPI.account)/logs/audit", token: value).status == 403)

        // Out of use for a while; what is left out of a change is gone, but for the status.
        let disabled = await api.send(
            "PUT", Self.tokens + "/\(id)", body: try body("AI Gateway Write", more: #","status":"disabled""#)
        )
        #expect(disabled.result["status"] == "disabled")
        #expect(disabled.result["expires_on"] == nil)
        #expect(await api.send("GET", ManagementAPI.gateways, token: value).status == 401)
        _ = await api.send("PUT", Self.tokens + "/\(id)", body: try body("AI Gateway Write"))
        #expect(await api.send("GET", ManagementAPI.gateways, token: value).status == 401)
        _ = await api.send(
            "PUT", Self.tokens + "/\(id)", body: try body("AI Gateway Write", more: #","status":"active""#)
        )
        #expect(await api.send("GET", ManagementAPI.gateways, token: value).status == 200)

        let rolled = await api.send("PUT", Self.tokens + "/\(id)/value", body: "{}")
        let newValue = try #require(rolled.result.text)
        #expect(newValue.hasPrefix("aig_") && newValue != value)
        #expect(await api.send("GET", ManagementAPI.gateways, token: value).status == 401)
        #expect(await api.send("GET", ManagementAPI.gateways, token: newValue).status == 200)

        #expect(await api.send("DELETE", Self.tokens + "/\(id)").result == ["id": .string(id)])
        #expect(await api.send("GET", ManagementAPI.gateways, token: newValue).status == 401)
        for (method, path) in [("GET", ""), ("DELETE", ""), ("PUT", "/value")] {
            #expect(await api.send(method, Self.tokens + "/\(id)" + path).status == 404)
        }
        #expect(await api.send("PUT", Self.tokens + "/\(id)", body: try body("AI Gateway Run")).status == 404)
        #expect(!(await api.send("GET", Self.tokens, query: "per_page=100")).ids.contains(id))
        // Nothing of any value is stored but its digest.
        for row in try await api.pool.query("SELECT t::text AS row FROM api_tokens t") {
            #expect(try !row.text("row").contains(value) && !row.text("row").contains(newValue))
        }
    }

    @Test("a token that has not begun is let in nowhere")
    func start() async throws {
        let api = try await ManagementAPI()
        let (id, value) = try await make(api, "AI Gateway Read", more: #","not_before":"2099-01-01T00:00:00Z""#)
        #expect(await api.send("GET", ManagementAPI.gateways, token: value).status == 401)
        #expect(await api.send("GET", "/user/tokens/verify", token: value).status == 401)
        let begun = try body("AI Gateway Read", more: #","not_before":"2020-01-01T00:00:00Z""#)
        #expect(await api.send("PUT", Self.tokens + "/\(id)", body: begun).status == 200)
        let told = await api.send("GET", "/user/tokens/verify", token: value)
        #expect(told.result["not_before"]?.text?.hasPrefix("2020-01-01T00:00:00") == true)
        // The worker is told the same.
        let grants = try await ConfigurationRepository(api.pool).snapshot().tokens
        #expect(grants.first { $0.id.rawValue == id }?.notBefore == Timestamp.instant("2020-01-01T00:00:00Z"))
    }

    @Test(
        "what cannot be kept to the letter is refused by its place",
        arguments: [
            (#"{"policies":[POLICY]}"#, ["body", "name"]), (#"{"name":"","policies":[POLICY]}"#, ["body", "name"]),
            (#"{"name":"t"}"#, ["body", "policies"]), (#"{"name":"t","policies":[]}"#, ["body", "policies"]),
            (
                #"{"name":"t","policies":[{"resources":{OWN},"permission_groups":[GROUP]}]}"#,
                ["body", "policies", "0", "effect"]
            ),
            (
                #"{"name":"t","policies":[{"effect":null,"resources":{OWN},"permission_groups":[GROUP]}]}"#,
                ["body", "policies", "0", "effect"]
            ),
            (
                #"{"name":"t","policies":[POLICY,{"effect":"deny","resources":{OWN},"permission_groups":[GROUP]}]}"#,
                ["body", "policies", "1", "effect"]
            ),
            (
                #"{"name":"t","policies":[{"effect":"allow","resources":{"com.cloudflare.api.account.fedcba9876543210fedcba9876543210":"*"},"permission_groups":[GROUP]}]}"#,
                ["body", "policies", "0", "resources"]
            ),
            (
                #"{"name":"t","policies":[{"effect":"allow","resources":{"com.cloudflare.api.account.*":"*"},"permission_groups":[GROUP]}]}"#,
                ["body", "policies", "0", "resources"]
            ),
            (
                #"{"name":"t","policies":[{"effect":"allow","resources":{OWN,"com.cloudflare.api.user.x":"*"},"permission_groups":[GROUP]}]}"#,
                ["body", "policies", "0", "resources"]
            ),
            (
                #"{"name":"t","policies":[{"effect":"allow","resources":{},"permission_groups":[GROUP]}]}"#,
                ["body", "policies", "0", "resources"]
            ),
            (
                #"{"name":"t","policies":[{"effect":"allow","resources":{OWN},"permission_groups":[GROUP,{"id":"0123"}]}]}"#,
                ["body", "policies", "0", "permission_groups"]
            ),
            (
                #"{"name":"t","policies":[{"effect":"allow","resources":{OWN},"permission_groups":[]}]}"#,
                ["body", "policies", "0", "permission_groups"]
            ),
            (
                #"{"name":"t","policies":[POLICY],"condition":{"request_ip":{"in":["10.0.0.0/8"]}}}"#,
                ["body", "condition"]
            ),
            (
                #"{"name":"t","policies":[POLICY],"condition":{"request_ip":{"not_in":["::1"]}}}"#,
                ["body", "condition"]
            ),
            (#"{"name":"t","policies":[POLICY],"expires_on":"2001-01-01T00:00:00Z"}"#, ["body", "expires_on"]),
            (#"{"name":"t","policies":[POLICY],"expires_on":"soon"}"#, ["body", "expires_on"]),
            (
                #"{"name":"t","policies":[POLICY],"not_before":"2100-01-01T00:00:00Z","expires_on":"2099-01-01T00:00:00Z"}"#,
                ["body", "not_before"]
            ),
        ])
    func refusals(template: String, path: [String]) async throws {
        let api = try await ManagementAPI()
        let group = #"{"id":"\#(try group("AI Gateway Run").id)"}"#
        var body = ""
        var rest = template[...]
        let parts = [
            ("POLICY", #"{"effect":"allow","resources":{\#(Self.own)},"permission_groups":[\#(group)]}"#),
            ("OWN", Self.own), ("GROUP", group),
        ]
        while let first = rest.first {
            if let part = parts.first(where: { rest.hasPrefix($0.0) }) {
                body += part.1
                rest = rest.dropFirst(part.0.count)
            } else {
                body.append(first)
                rest = rest.dropFirst()
            }
        }
        let before = try await api.tokens.list(of: ManagementAPI.account).count
        let reply = await api.send("POST", Self.tokens, body: body)
        #expect(reply.status == 400)
        #expect(reply.codes.allSatisfy { $0 == 7001 } && reply.paths == [path])
        #expect(try await api.tokens.list(of: ManagementAPI.account).count == before)
    }

    @Test("an empty condition binds nobody")
    func emptyCondition() async throws {
        let api = try await ManagementAPI()
        for condition in ["null", "{}", #"{"request_ip":{}}"#, #"{"request_ip":{"in":[],"not_in":[]}}"#] {
            let reply = await api.send(
                "POST", Self.tokens, body: try body("AI Gateway Run", more: #","condition":\#(condition)"#)
            )
            #expect(reply.status == 200, "\(condition)")
        }
    }

    @Test("nobody manages tokens but who may change everything, and another account's tokens are not there")
    func rights() async throws {
        let api = try await ManagementAPI()
        let (id, _) = try await make(api, "AI Gateway Run")
        let (_, writer) = try await make(api, "AI Gateway Write", "Secrets Store Write", "AI Gateway Run")
        for token in [api.run, api.read, writer] {
            #expect(await api.send("POST", Self.tokens, body: try body("AI Gateway Run"), token: token).status == 403)
            #expect(await api.send("DELETE", Self.tokens + "/\(id)", token: token).status == 403)
            #expect(await api.send("PUT", Self.tokens + "/\(id)/value", token: token).status == 403)
        }
        #expect(await api.send("GET", Self.tokens, token: writer).status == 403)
        #expect(await api.send("GET", Self.tokens, token: api.read).status == 200)
        for path in ["/accounts/\(ManagementAPI.otherAccount)/tokens/", "/user/tokens/"] {
            #expect(await api.send("GET", path + id, token: api.foreign).status == 404)
            #expect(await api.send("PUT", path + id + "/value", token: api.foreign).status == 404)
            #expect(await api.send("DELETE", path + id, token: api.foreign).status == 404)
        }
        #expect(await api.send("GET", "/user/tokens/\(id)").status == 200)
    }

    @Test("a list goes by age, by page, and shows those that are over when it is told to")
    func list() async throws {
        let api = try await ManagementAPI()
        let (id, _) = try await make(api, "AI Gateway Run")
        let all = await api.send("GET", Self.tokens, query: "include_expired=true")
        let usual = await api.send("GET", Self.tokens)
        // Those of the fixture: three that count and one that is over; the revoked one is gone.
        #expect(all.ids.count == 5 && usual.ids.count == 4)
        #expect(usual.ids.last == id)
        #expect(usual.document["result_info"]?["total_count"]?.integer == 4)
        let second = await api.send("GET", Self.tokens, query: "per_page=1&page=2&direction=desc")
        #expect(second.ids == [usual.ids[2]])
        #expect(all.result.elements?.count { $0["status"] == "expired" } == 1)
        #expect(await api.send("GET", Self.tokens, query: "direction=up").status == 400)
    }

    @Test("an account has as many tokens as it may, and a deleted one makes room")
    func quota() async throws {
        let api = try await ManagementAPI()
        let used = try await api.tokens.list(of: ManagementAPI.account).count { $0.revokedAt == nil }
        let narrow = TokenAdministration(
            api.pool, limitPerAccount: used + 1, clock: FixedClock(now: Instant(milliseconds: 0))
        )
        func one() async throws -> APIToken {
            try await narrow.create(account: ManagementAPI.account, name: "n", permissions: .run, expiresAt: nil).token
        }
        let last = try await one()
        await #expect(throws: ControlError.self) { _ = try await one() }
        _ = try await narrow.revoke(last.id, of: ManagementAPI.account)
        _ = try await one()
        // Two at once do not both get the last place.
        _ = try await narrow.revoke(try #require(try await api.tokens.list(of: ManagementAPI.account).last).id, of: nil)
        let made = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<4 { group.addTask { (try? await one()) != nil } }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(made == 1)
    }

    @Test("the token of the first start does not come back when it was deleted or got another value")
    func bootstrap() async throws {
        let api = try await ManagementAPI()
        for isRolled in [true, false] {
            let text = Secret("a token of the operator's choice \(isRolled)")
            try await api.tokens.bootstrap(account: ManagementAPI.account, token: text)
            let id = try #require(try await api.tokens.list(of: ManagementAPI.account).last).id.rawValue
            let reply = await api.send(
                isRolled ? "PUT" : "DELETE", Self.tokens + "/\(id)" + (isRolled ? "/value" : "")
            )
            #expect(reply.status == 200)
            let count = try await api.tokens.list(of: ManagementAPI.account).count
            try await api.tokens.bootstrap(account: ManagementAPI.account, token: text)
            #expect(try await api.tokens.list(of: ManagementAPI.account).count == count)
            #expect(try await api.tokens.recognise(text)?.isUsable ?? false == false)
        }
    }

    @Test("who made, changed, rolled and deleted a token is told, without its digest")
    func audit() async throws {
        let api = try await ManagementAPI()
        let (id, _) = try await make(api, "AI Gateway Run")
        _ = await api.send("PUT", Self.tokens + "/\(id)", body: try body("AI Gateway Read"))
        _ = await api.send("PUT", Self.tokens + "/\(id)/value")
        _ = await api.send("DELETE", Self.tokens + "/\(id)")
        let log = await api.send(
            "GET", "/accounts/\(ManagementAPI.account)/logs/audit", query: "resource_id=\(id)&direction=asc"
        )
        let entries = log.result.elements ?? []
        #expect(entries.map { $0["action"]?["type"] } == ["create", "update", "update", "delete"])
        #expect(
            entries.map { $0["resource"]?["newValueJson"]?["value_modified"] == true } == [false, false, true, false])
        #expect(entries.last?["resource"]?["newValueJson"] == .null)
        #expect(entries.allSatisfy { $0["resource"]?["type"] == "account.token" })
        let author = await api.send("GET", "/user/tokens/verify").result["id"]
        #expect(entries.allSatisfy { $0["actor"]?["token_id"] == author })
        #expect(!log.text.contains("token_hash"))
    }
}
