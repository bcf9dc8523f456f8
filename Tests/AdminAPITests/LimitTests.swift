@testable import AdminAPI
import ControlPlane
import GatewayCore
import PostgresStore
import Testing

@Suite("Limits of the product in the management API")
struct LimitTests {
    private static let gateway = ManagementAPI.gateways + "/g"

    @Test("gateways, deletions, evaluations and jobs keep to what the operator set")
    func narrow() async throws {
        let api = try await ManagementAPI(limits: { limits in
            limits.logRowsPerGateway = 20_000
            limits.retryAttempts = 2
            limits.retryDelay = 100
            limits.spendRulesPerGateway = 1
            limits.logDeletionRows = 7
            limits.datasetsPerEvaluation = 1
            limits.logpushJobsPerAccount = 1
        })
        for (member, taken, refused) in [
            ("log_management", 20_000, 20_001), ("retry_max_attempts", 2, 3), ("retry_delay", 100, 101),
        ] {
            #expect(await api.makeGateway("g-\(taken)", more: #","\#(member)":\#(taken)"#).status == 200)
            let reply = await api.makeGateway("g-\(refused)", more: #","\#(member)":\#(refused)"#)
            #expect(reply.status == 400 && reply.paths == [["body", member]], "\(member)")
        }
        await api.makeGateway("g")
        #expect(await api.send("DELETE", Self.gateway + "/logs", query: "limit=7").status == 200)
        #expect(await api.send("DELETE", Self.gateway + "/logs", query: "limit=8").paths == [["query", "limit"]])
        #expect(await api.send("DELETE", Self.gateway + "/logs").status == 200)
        let promised = try await api.pool.query("SELECT remaining AS n FROM log_deletions ORDER BY id DESC LIMIT 1")
        #expect(try promised.first?.int("n") == 7)

        var ids: [String] = []
        for name in ["one", "two"] {
            let made = await api.send(
                "POST", Self.gateway + "/datasets", body: #"{"name":"\#(name)","enable":true,"filters":[]}"#
            )
            ids.append(try #require(made.result["id"]?.text))
        }
        let evaluation = await api.send(
            "POST", Self.gateway + "/evaluations",
            body: #"{"name":"e","dataset_ids":["\#(ids[0])","\#(ids[1])"],"evaluation_type_ids":[]}"#
        )
        #expect(evaluation.status == 400 && evaluation.paths == [["body", "dataset_ids"]])

        let jobs = "/accounts/\(ManagementAPI.account)/logpush/jobs"
        let job = #"{"dataset":"ai_gateway_events","destination_conf":"https://example.com/logs"}"#
        #expect(await api.send("POST", jobs, body: job).status == 200)
        #expect(await api.send("POST", jobs, body: job).status == 400)
    }

    @Test("the description of the API names the limits in force")
    func description() async throws {
        let api = try await ManagementAPI(limits: { limits in
            limits.retryAttempts = 9
            limits.logDeletionRows = 77
            limits.datasetsPerEvaluation = 3
        })
        let document = Reply(
            await api.responder.respond(to: AdminRequest(method: "GET", path: "/client/v4/openapi.json"))
        ).text
        #expect(document.contains(#""retry_max_attempts":{"anyOf":[{"type":"integer","minimum":1,"maximum":9}"#))
        #expect(document.contains(#""minimum":1,"maximum":77"#))
        #expect(document.contains(#""minItems":1,"maxItems":3"#))
    }
}
