@testable import AdminAPI
import ControlPlane
import GatewayCore
import PostgresStore
import Testing

@Suite("Permissions over the whole route table")
struct PermissionTests {
    /// A path of the route with plausible parameters.
    private func path(_ route: AdminRoute, account: AccountID = ManagementAPI.account) -> String {
        route.template.split(separator: "/").map { part in
            part == "{account_id}" ? account.rawValue : part.hasPrefix("{") ? "some-id" : String(part)
        }.reduce("") { $0 + "/" + $1 }
    }

    @Test("the table grants by method, except to whoever asks about its own token")
    func table() async throws {
        let api = try await ManagementAPI()
        let open = [
            "/user/tokens/verify", "/accounts/{account_id}/tokens/verify", "/accounts", "/accounts/{account_id}",
            "/memberships", "/user",
        ]
        // A query is read, though it is posted.
        let reading = ["/graphql"]
        // What is beside the bodies.
        let log = AdminRoutes.gateway + "/logs"
        let described = [log, log + "/{log_id}"]
        for route in api.routes where route.template != "/openapi.json" {
            let expected: Requirement =
                open.contains(route.template)
                ? .anyToken
                : route.method == "GET" && described.contains(route.template)
                    ? .metadata : route.method == "GET" || reading.contains(route.template) ? .read : .edit
            #expect(route.requirement == expected, "\(route.method) \(route.template)")
        }
    }

    @Test("every route refuses no token, a wrong one, an expired one, a revoked one and another account's")
    func refusals() async throws {
        let api = try await ManagementAPI()
        for route in api.routes where route.requirement != .everyone {
            let path = path(route)
            let place: Comment = "\(route.method) \(route.template)"
            let without = Reply(await api.responder.respond(to: AdminRequest(method: route.method, path: path)))
            #expect(without.status == 401, place)
            #expect(without.codes == [10000], place)
            for token in ["never-issued-token", api.expired, api.revoked] {
                let refused = await api.send(route.method, path, token: token)
                #expect(refused.status == 401, place)
                #expect(refused.codes == [route.requirement == .anyToken ? 1000 : 10000], place)
            }
            if route.template.contains("{account_id}") {
                let foreign = await api.send(route.method, path, token: api.foreign)
                #expect([401, 403].contains(foreign.status), place)
                #expect([[1000], [10000]].contains(foreign.codes), place)
                #expect(foreign.document["success"] == false)
            }
        }
    }

    @Test("every route lets in exactly the permissions it asks for")
    func permissions() async throws {
        let api = try await ManagementAPI()
        for route in api.routes {
            for (token, permission) in [(api.run, Permissions.run), (api.read, .read), (api.edit, .edit)] {
                let reply = await api.send(route.method, path(route), token: token)
                let isAllowed =
                    switch route.requirement {
                    case .anyToken: true
                    case .read, .metadata: permission != .run
                    case .edit: permission == .edit
                    case .everyone: true
                    }
                let place: Comment = "\(route.method) \(route.template) with \(permission.words)"
                if isAllowed {
                    #expect(![401, 403].contains(reply.status), place)
                } else {
                    #expect(reply.status == 403, place)
                    #expect(reply.codes == [10000], place)
                }
            }
        }
    }

    @Test("a part of a permission opens the routes of its area and no others")
    func parts() async throws {
        let api = try await ManagementAPI()
        let logs = [AdminRoutes.gateway + "/logs", AdminRoutes.gateway + "/logs/{log_id}"]
        let opened: [(Permissions, @Sendable (AdminRoute) -> Bool)] = [
            (.metadata, { $0.method == "GET" && logs.contains($0.template) }),
            (.gatewayRead, { $0.template.contains("/ai-gateway/") && $0.method == "GET" }),
            (.gatewayEdit, { $0.template.contains("/ai-gateway/") }),
            (.secretsRead, { $0.template.contains("/secrets_store/") && $0.method == "GET" }),
            (.secretsEdit, { $0.template.contains("/secrets_store/") }),
            (.analytics, { $0.template == "/graphql" }),
        ]
        for (permission, opens) in opened {
            let token = try await api.tokens.create(
                account: ManagementAPI.account, name: "", permissions: permission, expiresAt: nil
            ).text.reveal()
            var count = 0
            for route in api.routes where ![.anyToken, .everyone].contains(route.requirement) {
                let reply = await api.send(route.method, path(route), token: token)
                let place: Comment = "\(route.method) \(route.template) with \(permission.words)"
                if opens(route) {
                    count += 1
                    #expect(![401, 403].contains(reply.status) || route.template.hasSuffix("/spending-limit"), place)
                } else {
                    #expect(reply.status == 403 && reply.codes == [10000], place)
                }
            }
            #expect(count > 0)
            // The data plane is nobody's but who was given it.
            #expect(!permission.allowsDataPlane)
        }
    }

    @Test("the API describes exactly its routes, to everyone, and nothing else is open")
    func description() async throws {
        let api = try await ManagementAPI()
        let reply = Reply(
            await api.responder.respond(to: AdminRequest(method: "GET", path: "/client/v4/openapi.json"))
        )
        #expect(reply.status == 200)
        #expect(reply.document["openapi"]?.text?.hasPrefix("3.1") == true)
        let described = (reply.document["paths"]?.members ?? []).flatMap { path in
            (path.value.members ?? []).map { operation in
                "\(operation.name) \(path.name) \(operation.value["x-permission"]?.text ?? "")"
            }
        }
        let routes = api.routes.map { "\($0.method.lowercased()) \($0.template) \($0.requirement.word)" }
        #expect(described.sorted() == routes.sorted())
        let ids = (reply.document["paths"]?.members ?? []).flatMap { path in
            (path.value.members ?? []).compactMap { $0.value["operationId"]?.text }
        }
        #expect(Set(ids).count == routes.count)
        let components = reply.document["components"]?["schemas"]?.members?.map(\.name) ?? []
        let references = reply.text.split(separator: "#/components/schemas/").dropFirst()
            .compactMap { $0.split(separator: "\"").first.map(String.init) }
        #expect(Set(references).isSubset(of: components))
        #expect(api.routes.filter { $0.requirement == .everyone }.map(\.template) == ["/openapi.json"])
    }

    @Test("a gateway of one account is invisible to another account")
    func isolation() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        let elsewhere = "/accounts/\(ManagementAPI.otherAccount)/ai-gateway/gateways"
        #expect(await api.send("GET", elsewhere, token: api.foreign).ids.isEmpty)
        #expect(await api.send("GET", elsewhere + "/g", token: api.foreign).status == 404)
        #expect(await api.send("DELETE", elsewhere + "/g", token: api.foreign).status == 404)
        #expect(await api.send("GET", elsewhere + "/g/logs", token: api.foreign).status == 404)
        #expect(await api.send("GET", ManagementAPI.gateways + "/g").status == 200)
    }

    @Test(
        "credentials in other forms are refused by name",
        arguments: [
            ([("X-Auth-Key", "k"), ("X-Auth-Email", "m")], 403, 9103), ([("X-Auth-User-Service-Key", "k")], 403, 9103),
            ([("Authorization", "Basic abc")], 400, 6003), ([("Authorization", "Bearer")], 400, 6003),
            ([("Authorization", "Bearer a b")], 400, 6003), ([("Authorization", "token")], 400, 6003),
            ([("authorization", "bearer \u{1}")], 400, 6003), ([], 401, 10000),
        ])
    func forms(headers: [(String, String)], status: Int, code: Int) async throws {
        let api = try await ManagementAPI()
        let reply = Reply(
            await api.responder.respond(
                to: AdminRequest(
                    method: "GET", path: ManagementAPI.gateways, headers: headers.map { (name: $0.0, value: $0.1) }
                )
            )
        )
        #expect(reply.status == status)
        #expect(reply.codes == [code])
        if code == 6003 {
            let chain = reply.document["errors"]?.elements?.first?["error_chain"]?.elements
            #expect(chain?.first?["code"]?.integer == 6111)
        }
    }

    @Test("unknown paths and malformed ids are 404 with both codes, a wrong method is 405")
    func routing() async throws {
        let api = try await ManagementAPI()
        for path in [
            "/", "/client/v4", "/client/v4/", "/nothing", "/client/v4/accounts/x/ai-gateway/gateways",
            "/accounts/0123456789ABCDEF0123456789ABCDEF/ai-gateway/gateways", ManagementAPI.gateways + "/g/none",
            ManagementAPI.gateways + "/a%00b", ManagementAPI.gateways + "//logs", "/client/v4x/accounts",
        ] {
            let reply = await api.send("GET", path)
            #expect(reply.status == 404, "\(path)")
            #expect(reply.codes == [7003, 7000], "\(path)")
            #expect(reply.messages.first?.hasPrefix("Could not route to /") == true)
        }
        let wrong = await api.send("PATCH", ManagementAPI.gateways)
        #expect(wrong.status == 405)
        #expect(wrong.headers["allow"] == "GET, POST")
        #expect(await api.send("GET", ManagementAPI.gateways + "/").status == 200)
    }

    @Test("a token is told about itself")
    func verification() async throws {
        let api = try await ManagementAPI()
        for path in ["/user/tokens/verify", "/client/v4/accounts/\(ManagementAPI.account)/tokens/verify"] {
            let reply = await api.send("GET", path, token: api.run)
            #expect(reply.status == 200)
            #expect(reply.result["status"] == "active")
            #expect(reply.result["id"]?.text?.count == 32)
            #expect(
                reply.document["messages"]
                    == [["code": 10000, "message": "This API Token is valid and active", "type": nil]]
            )
        }
        let accounts = await api.send("GET", "/accounts", token: api.read)
        #expect(accounts.ids == [ManagementAPI.account.rawValue])
        #expect(await api.send("GET", "/accounts", query: "page=2").result == [])
    }

    @Test("the token of the first start is stored once, as a digest, and stays revoked once it was")
    func bootstrap() async throws {
        let api = try await ManagementAPI()
        let account: AccountID = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        let text = Secret("a token of the operator's choice")
        try await api.tokens.bootstrap(account: account, token: text)
        try await api.tokens.bootstrap(account: account, token: text)
        let stored = try await api.tokens.list(of: account)
        #expect(stored.count == 1)
        #expect(stored.first?.permissions == [.run, .read, .edit])
        #expect(try await api.tokens.recognise(text)?.isUsable == true)
        _ = try await api.tokens.revoke(try #require(stored.first).id, of: account)
        try await api.tokens.bootstrap(account: account, token: text)
        #expect(try await api.tokens.recognise(text)?.isUsable == false)
        let dump = try await api.pool.query("SELECT t::text AS row FROM api_tokens t")
        for row in dump { #expect(try !row.text("row").contains("operator")) }
    }
}
