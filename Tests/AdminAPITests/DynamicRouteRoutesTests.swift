@testable import AdminAPI
import ControlPlane
import GatewayCore
import PostgresStore
import Testing

@Suite("Dynamic routes over the API")
struct DynamicRouteRoutesTests {
    private static let routes = ManagementAPI.gateways + "/g/routes"
    private static let lone = #"[{"id":"s","type":"start","outputs":{"next":{"elementId":"gone"}}}]"#
    private static let whole = """
        [{"id":"s","type":"start","outputs":{"next":{"elementId":"e"}}},{"id":"e","type":"end","outputs":{}}]
        """

    private func api() async throws -> ManagementAPI {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        return api
    }

    private func make(_ api: ManagementAPI, _ name: String, _ elements: String = lone) async -> Reply {
        await api.send("POST", Self.routes, body: #"{"name":"\#(name)","elements":\#(elements)}"#)
    }

    @Test("a route is stored with its first version in force, and a second version is only in force once deployed")
    func versions() async throws {
        let api = try await api()
        let made = await make(api, "r")
        #expect(made.status == 200)
        #expect(made.headers["cf-aig-snapshot"] != nil)
        let id = try #require(made.result["id"]?.text)
        let first = try #require(made.result["version"]?["version_id"]?.text)
        #expect(made.result["deployment"]?["version_id"]?.text == first)
        #expect(made.result["version"]?["active"] == "true")
        #expect(made.result["version"]?["is_valid"] == false)
        #expect(made.result["version"]?["data"]?.text == Self.lone)
        #expect(made.result["elements"] == (try JSONValue(parsing: Self.lone)))

        let one = Self.routes + "/" + id
        let added = await api.send("POST", one + "/versions", body: #"{"elements":\#(Self.whole)}"#)
        let second = try #require(added.result["version_id"]?.text)
        #expect(added.result["elements"]?.elements?.count == 2)
        #expect(added.result["is_valid"] == true)
        #expect(await api.send("GET", one).result["elements"]?.elements?.count == 1)

        let deployed = await api.send("POST", one + "/deployments", body: #"{"version_id":"\#(second)"}"#)
        #expect(deployed.result["elements"]?.elements?.count == 2)
        #expect(await api.send("GET", one).result["version"]?["version_id"]?.text == second)
        let versions = await api.send("GET", one + "/versions")
        #expect(versions.document["data"] == versions.result)
        let listed = versions.result["versions"]?.elements ?? []
        #expect(listed.map { $0["version_id"]?.text } == [second, first])
        #expect(listed.map { $0["active"] } == ["true", "false"])

        // Back to the first.
        _ = await api.send("POST", one + "/deployments", body: #"{"version_id":"\#(first)"}"#)
        #expect(await api.send("GET", one).result["elements"]?.elements?.count == 1)
        let deployments = await api.send("GET", one + "/deployments").document["data"]?["deployments"]?.elements ?? []
        #expect(deployments.map { $0["version_id"]?.text } == [first, second, first])
        let detail = await api.send("GET", one + "/versions/" + second)
        #expect(detail.result["active"] == "false")
        #expect(detail.result["elements"]?.elements?.count == 2)
        #expect(detail.result["name"] == "r")
    }

    @Test("lists and renaming have their odd envelopes")
    func shapes() async throws {
        let api = try await api()
        for name in ["a", "b", "c"] { #expect(await make(api, name).status == 200) }
        let page = await api.send("GET", Self.routes, query: "page=2&per_page=2")
        let data = try #require(page.document["data"])
        #expect(data == page.result)
        #expect(data["routes"]?.elements?.map { $0["name"] } == ["a"])
        #expect(data["page"] == 2)
        #expect(data["per_page"] == 2)
        #expect(data["order_by"]?.text != nil)
        #expect(data["order_by_direction"]?.text != nil)
        #expect(page.document["result_info"]?["total_count"] == 3)
        #expect(data["routes"]?.elements?.first?["account_tag"]?.text == ManagementAPI.account.rawValue)
        #expect(await api.send("GET", Self.routes, query: "page=9").document["data"]?["routes"] == [])
        let id = try #require(data["routes"]?.elements?.first?["id"]?.text)
        let renamed = await api.send("PATCH", Self.routes + "/" + id, body: #"{"name":"z"}"#)
        #expect(renamed.document["route"]?["name"] == "z")
        #expect(renamed.document["route"] == renamed.result)
        let taken = await api.send("PATCH", Self.routes + "/" + id, body: #"{"name":"b"}"#)
        #expect(taken.status == 400)
        #expect(taken.codes == [7005])
    }

    @Test("a gateway has at most so many routes")
    func limit() async throws {
        let api = try await api()
        for index in 1...4 { #expect(await make(api, "r\(index)").status == 200) }
        let refused = await make(api, "r5")
        #expect(refused.status == 400)
        #expect(refused.messages.first?.contains("limit") == true)
    }

    @Test("what is missing or taken is told in the route's own codes")
    func refusals() async throws {
        let api = try await api()
        let id = try #require(await make(api, "r").result["id"]?.text)
        let again = await make(api, "r")
        #expect(again.status == 400)
        #expect(again.codes == [7005])
        #expect(again.messages.first?.hasSuffix("already exists") == true)
        for path in ["/none", "/none/versions", "/none/deployments", "/\(id)/versions/none"] {
            let missing = await api.send("GET", Self.routes + path)
            #expect(missing.status == 404, "\(path)")
            #expect(missing.codes == [7005], "\(path)")
        }
        for (method, rest) in [("GET", ""), ("GET", "/x"), ("PATCH", "/x"), ("DELETE", "/x"), ("POST", "")] {
            let body = method == "POST" ? #"{"name":"n","elements":\#(Self.lone)}"# : #"{"name":"n"}"#
            let reply = await api.send(method, ManagementAPI.gateways + "/none/routes" + rest, body: body)
            #expect(reply.status == 404, "\(method) \(rest)")
            #expect(reply.codes == [7002], "\(method) \(rest)")
        }
        let version = await api.send("POST", Self.routes + "/\(id)/deployments", body: #"{"version_id":"none"}"#)
        #expect(version.paths == [["body", "version_id"]])
        let foreign = await api.send(
            "GET", "/accounts/\(ManagementAPI.otherAccount)/ai-gateway/gateways/g/routes/\(id)", token: api.foreign
        )
        #expect(foreign.status == 404)
        let bad = await api.send("POST", Self.routes, body: #"{"name":"","elements":[{"id":1}]}"#)
        #expect(bad.paths.contains(["body", "name"]))
        #expect(bad.paths.contains(["body", "elements", "0", "id"]))
    }

    @Test("a deleted route is gone with its versions, and a deleted gateway takes its routes along")
    func deletion() async throws {
        let api = try await api()
        let id = try #require(await make(api, "r").result["id"]?.text)
        let deleted = await api.send("DELETE", Self.routes + "/" + id)
        #expect(deleted.result["id"]?.text == id)
        #expect(await api.send("GET", Self.routes + "/" + id).status == 404)
        #expect(await make(api, "r").status == 200)
        #expect(await api.send("DELETE", ManagementAPI.gateways + "/g").status == 200)
        let left = try await api.pool.query(
            """
            SELECT (SELECT count(*) FROM dynamic_routes) + (SELECT count(*) FROM dynamic_route_versions)
                + (SELECT count(*) FROM dynamic_route_deployments) AS n
            """
        )
        #expect(try left.first?.int("n") == 0)
    }
}
