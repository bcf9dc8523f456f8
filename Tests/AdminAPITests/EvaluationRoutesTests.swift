import ControlPlane
import GatewayCore
import PostgresStore
import Testing

@Suite("Datasets and evaluations over the API")
struct EvaluationRoutesTests {
    private static let gateway = ManagementAPI.gateways + "/g"
    private static let datasets = gateway + "/datasets"
    private static let evaluations = gateway + "/evaluations"
    private static let types = "/accounts/\(ManagementAPI.account.rawValue)/ai-gateway/evaluation-types"

    private static let all = #"{"name":"all","enable":true,"filters":[]}"#

    /// A gateway with six rows: three of them cost something, four are rated.
    private func filled() async throws -> ManagementAPI {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        await api.makeGateway("other")
        let rows: [(provider: String, cost: String?, milliseconds: Int, feedback: Int?)] = [
            ("openai", "0.1", 100, 1), ("openai", "0.2", 200, 1), ("openai", nil, 300, -1),
            ("groq", "0.000000000006", 400, 1),
            ("groq", nil, 500, 0), ("mistral", nil, 1001, nil),
        ]
        for (index, row) in rows.enumerated() {
            _ = try await api.pool.query(
                """
                INSERT INTO logs (id, created_at, event_id, account_id, gateway_id, provider, model, path, method,
                    request_type, status_code, success, cached, step, duration_us, cost, custom_cost, request_size,
                    response_size, request_complete, response_complete, streamed, authenticated, feedback)
                VALUES ($1, now() - interval '1 minute', 'e', $2, 'g', $3, 'm', 'p', 'POST', 'compat', 200, true, false, 0,
                    $4, $5, false, 3, 4, true, true, false, true, $6)
                """,
                [
                    .text("row-\(index)"), .text(ManagementAPI.account.rawValue), .text(row.provider),
                    .int(row.milliseconds * 1000), row.cost.map { .numeric($0) } ?? .null, .int(row.feedback),
                ]
            )
        }
        return api
    }

    private func makeDataset(_ api: ManagementAPI, _ body: String) async -> String {
        await api.send("POST", Self.datasets, body: body).result["id"]?.text ?? "none"
    }

    @Test("a dataset is made, shown, listed, replaced and deleted")
    func dataset() async throws {
        let api = try await filled()
        let filters =
            #"[{"key":"created_at","operator":"eq","value":["string"]},{"key":"cost","operator":"gt","value":[0.5]}]"#
        let made = await api.send("POST", Self.datasets, body: #"{"name":"n","enable":true,"filters":\#(filters)}"#)
        #expect(made.status == 200)
        let id = try #require(made.result["id"]?.text)
        #expect(made.result["filters"] == (try JSONValue(parsing: filters)))
        #expect(made.result["gateway_id"] == "g")
        #expect(made.result["account_tag"]?.text == ManagementAPI.account.rawValue)
        #expect(await api.send("GET", Self.datasets + "/" + id, token: api.read).result == made.result)
        let again = await api.send("POST", Self.datasets, body: #"{"name":"n","enable":true,"filters":[]}"#)
        #expect(again.status == 400)
        #expect(again.codes == [7001])
        #expect(again.messages[0].hasSuffix("already exists"))
        let other = await makeDataset(api, #"{"name":"second","enable":false,"filters":[]}"#)
        let changed = await api.send(
            "PUT", Self.datasets + "/" + id, body: #"{"name":"renamed","enable":false,"filters":[]}"#)
        #expect(changed.result["name"] == "renamed")
        #expect(changed.result["enable"] == false)
        #expect(changed.result["created_at"] == made.result["created_at"])
        let clash = await api.send(
            "PUT", Self.datasets + "/" + id, body: #"{"name":"second","enable":false,"filters":[]}"#)
        #expect(clash.codes == [7001])
        for (query, expected) in [
            ("", [id, other]), ("name=ENAM", [id]), ("enable=true", []), ("enable=false&per_page=1&page=2", [other]),
            ("search=\(other)", [other]), ("search=%25", []), ("page=9", []), ("name='%20OR%20'1'%3D'1", []),
        ] {
            #expect(await api.send("GET", Self.datasets, query: query).ids == expected, "\(query)")
        }
        #expect(await api.send("GET", Self.datasets, query: "per_page=101").codes == [7001])
        #expect(await api.send("DELETE", Self.datasets + "/" + id).result["name"] == "renamed")
        #expect(await api.send("GET", Self.datasets + "/" + id).codes == [7002])
        #expect(await api.send("DELETE", Self.datasets + "/" + id).codes == [7002])
        #expect(await api.send("PUT", Self.datasets + "/" + id, body: Self.all).codes == [7002])
        // Under another gateway it is not there.
        #expect(await api.send("GET", ManagementAPI.gateways + "/other/datasets/" + other).codes == [7002])
        let missing = ManagementAPI.gateways + "/none/datasets"
        #expect(await api.send("GET", missing).codes == [7002])
        #expect(await api.send("POST", missing, body: Self.all).codes == [7002])
    }

    @Test(
        "what is wrong with a dataset is told by its path",
        arguments: [
            (#"{}"#, [["body", "name"], ["body", "enable"], ["body", "filters"]]),
            (#"{"name":"","enable":true,"filters":[]}"#, [["body", "name"]]),
            (#"{"name":"a","enable":1,"filters":[]}"#, [["body", "enable"]]),
            (#"{"name":"a","enable":true,"filters":{}}"#, [["body", "filters"]]),
            (
                #"{"name":"a","enable":true,"filters":[{"key":"event_id","operator":"eq","value":["a"]}]}"#,
                [["body", "filters", "0", "key"]]
            ),
            (
                #"{"name":"a","enable":true,"filters":[{"key":"model","operator":"neq","value":["a"]}]}"#,
                [["body", "filters", "0", "operator"]]
            ),
            (
                #"{"name":"a","enable":true,"filters":[{"key":"model","operator":"eq","value":[null]}]}"#,
                [["body", "filters", "0", "value"]]
            ),
            (
                #"{"name":"a","enable":true,"filters":[{"key":"cost","operator":"eq","value":[1e-99999]}]}"#,
                [["body", "filters", "0", "value"]]
            ),
            (
                #"{"name":"a","enable":true,"filters":[{"key":"model","operator":"eq","value":["\u0000"]}]}"#,
                [["body", "filters", "0", "value"]]
            ),
            (#"{"name":"a","enable":true,"filters":["x"]}"#, [["body", "filters", "0"]]),
        ])
    func badDataset(body: String, paths: [[String]]) async throws {
        let api = try await filled()
        let reply = await api.send("POST", Self.datasets, body: body)
        #expect(reply.status == 400)
        #expect(reply.paths == paths)
    }

    @Test("evaluation types are listed, in any order that is asked for")
    func typeList() async throws {
        let api = try await filled()
        let reply = await api.send("GET", Self.types, query: "order_by=order_by&per_page=5")
        #expect(reply.result.elements?.compactMap { $0["name"]?.text } == ["Cost", "Speed", "Human feedback"])
        #expect(reply.result.elements?.map { $0["mandatory"] } == [true, true, false])
        #expect(reply.document["result_info"]?["total_count"] == 3)
        let ascending = await api.send("GET", Self.types, query: "order_by_direction=asc")
        #expect(ascending.result.elements?.first?["name"] == "Human feedback")
        #expect(await api.send("GET", Self.types, query: "page=2").result == [])
        #expect(await api.send("GET", Self.types, query: "per_page=4").codes == [7001])
    }

    private func results(_ evaluation: JSONValue, _ api: ManagementAPI) async -> [String: JSONValue] {
        let types = await api.send("GET", Self.types).result.elements ?? []
        var found: [String: JSONValue] = [:]
        for result in evaluation["results"]?.elements ?? [] {
            let type = types.first { $0["id"] == result["evaluation_type_id"] }
            found[type?["name"]?.text ?? "unknown"] = result
        }
        return found
    }

    @Test("an evaluation measures once what its datasets select: a log counts once, and only where it has the field")
    func evaluation() async throws {
        let api = try await filled()
        let openai = await makeDataset(
            api, #"{"name":"o","enable":true,"filters":[{"key":"provider","operator":"eq","value":["openai"]}]}"#)
        let cheap = await makeDataset(
            api, #"{"name":"c","enable":true,"filters":[{"key":"cost","operator":"lt","value":[0.15]}]}"#)
        let feedback = try #require(
            await api.send("GET", Self.types).result.elements?.first { $0["mandatory"] == false }?["id"]?.text)
        let body =
            #"{"name":"e","dataset_ids":["\#(openai)","\#(cheap)","\#(openai)"],"evaluation_type_ids":["\#(feedback)"]}"#
        let made = await api.send("POST", Self.evaluations, body: body)
        #expect(made.status == 200)
        #expect(made.result["processed"] == false)
        #expect(made.result["total_logs"] == 0)
        #expect(made.result["datasets"]?.elements?.compactMap { $0["name"]?.text } == ["o", "c"])
        #expect(made.result["results"]?.elements?.map { $0["status"] } == [0, 0, 0])
        let id = try #require(made.result["id"]?.text)
        #expect(await api.send("GET", Self.evaluations, query: "processed=false").ids == [id])

        let runner = EvaluationRunner(api.pool) { Issue.record("\($0)") }
        #expect(try await runner.step())
        #expect(try await !runner.step(), "it is carried out once")
        let done = await api.send("GET", Self.evaluations + "/" + id).result
        #expect(done["processed"] == true)
        #expect(done["total_logs"] == 4)
        let results = await results(done, api)
        #expect(results["Cost"]?["result"] == "0.100000000002")
        #expect(results["Cost"]?["total_logs"] == 3)
        #expect(results["Speed"]?["result"] == "250")
        #expect(results["Speed"]?["total_logs"] == 4)
        #expect(results["Human feedback"]?["result"] == "0.75")
        #expect(results["Human feedback"]?["total_logs"] == 4)
        #expect(results.values.allSatisfy { $0["status"] == 2 && $0["evaluation_id"]?.text == id })

        // A snapshot: neither the logs nor the datasets change it afterwards.
        _ = try await api.pool.query("UPDATE logs SET cost = 9")
        #expect(await api.send("DELETE", Self.datasets + "/" + openai).status == 200)
        #expect(await api.send("GET", Self.evaluations + "/" + id).result == done)
        #expect(await api.send("GET", Self.evaluations, query: "processed=1&name=E&search=\(id)").ids == [id])
        #expect(await api.send("POST", Self.evaluations, body: body.replacing(openai, with: cheap)).codes == [7001])
        #expect(await api.send("DELETE", Self.evaluations + "/" + id).result == done)
        #expect(await api.send("GET", Self.evaluations + "/" + id).codes == [7002])
        #expect(try await api.pool.query("SELECT 1 FROM evaluation_results").isEmpty)
    }

    @Test("without a log that has the field there is no number, and values of another type match nothing")
    func nothing() async throws {
        let api = try await filled()
        let none = await makeDataset(
            api, #"{"name":"o","enable":true,"filters":[{"key":"created_at","operator":"eq","value":["string"]}]}"#)
        _ = try await api.pool.query(
            "INSERT INTO evaluation_types (id, name, type, description) VALUES ('string', 's', 'sentiment', '')"
        )
        let body = #"{"name":"e","dataset_ids":["\#(none)"],"evaluation_type_ids":["string"]}"#
        let made = await api.send("POST", Self.evaluations, body: body)
        #expect(try await EvaluationRunner(api.pool) { Issue.record("\($0)") }.step())
        let done = await api.send("GET", Self.evaluations + "/" + (made.result["id"]?.text ?? "")).result
        #expect(done["total_logs"] == 0)
        let results = await results(done, api)
        #expect(results["Cost"]?["result"] == "")
        #expect(results["Cost"]?["status"] == 2)
        #expect(results["Cost"]?["status_description"] == "no log has a cost")
        #expect(results["s"]?["status"] == 3)
    }

    @Test("a number that the database cannot compare, given as text, matches nothing and holds nothing up")
    func tinyNumber() async throws {
        let api = try await filled()
        let tiny = await makeDataset(
            api, #"{"name":"t","enable":true,"filters":[{"key":"cost","operator":"gt","value":["1e-99999"]}]}"#)
        let body = #"{"name":"e","dataset_ids":["\#(tiny)"],"evaluation_type_ids":[]}"#
        let made = await api.send("POST", Self.evaluations, body: body)
        #expect(try await EvaluationRunner(api.pool) { Issue.record("\($0)") }.step())
        let done = await api.send("GET", Self.evaluations + "/" + (made.result["id"]?.text ?? "")).result
        #expect(done["processed"] == true)
        #expect(done["total_logs"] == 0)
    }

    @Test(
        "what is wrong with an evaluation is told by its path",
        arguments: [
            (#"{}"#, [["body", "name"], ["body", "dataset_ids"], ["body", "evaluation_type_ids"]]),
            (#"{"name":"e","dataset_ids":[],"evaluation_type_ids":[]}"#, [["body", "dataset_ids"]]),
            (
                #"{"name":"e","dataset_ids":["1","2","3","4","5","6"],"evaluation_type_ids":[]}"#,
                [["body", "dataset_ids"]]
            ),
            (#"{"name":"e","dataset_ids":[1],"evaluation_type_ids":[]}"#, [["body", "dataset_ids"]]),
            (
                #"{"name":"e","dataset_ids":["none"],"evaluation_type_ids":["none"]}"#,
                [["body", "dataset_ids"], ["body", "evaluation_type_ids"]]
            ),
        ])
    func badEvaluation(body: String, paths: [[String]]) async throws {
        let api = try await filled()
        let reply = await api.send("POST", Self.evaluations, body: body)
        #expect(reply.status == 400)
        #expect(reply.paths == paths)
    }

    @Test("evaluations of a missing gateway are an empty list; one of it cannot be made, read or deleted")
    func missingGateway() async throws {
        let api = try await filled()
        let missing = ManagementAPI.gateways + "/none/evaluations"
        let list = await api.send("GET", missing)
        #expect(list.status == 200)
        #expect(list.result == [])
        let body = #"{"name":"e","dataset_ids":["x"],"evaluation_type_ids":[]}"#
        #expect(await api.send("POST", missing, body: body).codes == [7002])
        #expect(await api.send("GET", missing + "/x").codes == [7002])
        #expect(await api.send("DELETE", missing + "/x").codes == [7002])
    }

    @Test("a deleted gateway takes its datasets and evaluations along")
    func gatewayDeletion() async throws {
        let api = try await filled()
        let all = await makeDataset(api, Self.all)
        _ = await api.send(
            "POST", Self.evaluations, body: #"{"name":"e","dataset_ids":["\#(all)"],"evaluation_type_ids":[]}"#)
        #expect(await api.send("DELETE", Self.gateway).status == 200)
        #expect(try await api.pool.query("SELECT 1 FROM datasets").isEmpty)
        #expect(try await api.pool.query("SELECT 1 FROM evaluations").isEmpty)
    }
}
