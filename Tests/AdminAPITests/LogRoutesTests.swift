import ControlPlane
import GatewayCore
import PostgresStore
import Testing

@Suite("Logs over the API")
struct LogRoutesTests {
    private static let path = ManagementAPI.gateways + "/g/logs"

    /// Four rows: a … d, a second apart; `d` has nothing that could be unknown.
    private func filled() async throws -> ManagementAPI {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        await api.makeGateway("other")
        let rows: [(String, String, String, Int?, String?, String?, Int?, String?)] = [
            ("a", "openai", "gpt-5", 10, "0.000000000123", #"{"user":"ann","n":1}"#, 1, nil),
            ("b", "openai", "gpt-5-mini", 20, "1.5", #"{"team":"x%y"}"#, -1, "{\"x\":1}"),
            ("c", "anthropic", "claude", nil, nil, nil, nil, "data: äöü\n\n"),
            ("d", "groq", "o'neil", 0, "0", "{}", nil, nil),
        ]
        for (index, row) in rows.enumerated() {
            let created = Instant(milliseconds: 1_767_323_045_000 + Int64(index) * 1000)
            for gateway in row.0 == "a" ? ["g", "other"] : ["g"] {
                _ = try await api.pool.query(
                    """
                    INSERT INTO logs (id, created_at, event_id, account_id, gateway_id, provider, model, path, method,
                        request_type, status_code, success, cached, step, duration_us, cost, custom_cost, metadata,
                        request_size, response_size, request_complete, response_complete, streamed, authenticated,
                        feedback, tokens_in, tokens_out, response_content_type)
                    VALUES ($1, $2, 'e', $3, $4, $5, $6, 'chat/completions', 'POST', 'compat', $7, $8, false, 0, $9,
                        $10, false, $11, 3, 4, true, true, false, true, $12, $13, $13, 'text/event-stream')
                    """,
                    [
                        .text(row.0 + "-" + gateway), .instant(created), .text(ManagementAPI.account.rawValue),
                        .text(gateway), .text(row.1), .text(row.2), .int(index == 2 ? 500 : 200), .bool(index != 2),
                        .int(1000 * (index + 1) * 100), row.4.map { .numeric($0) } ?? .null, .json(row.5),
                        .int(row.6), .int(row.3),
                    ]
                )
                if let body = row.7 {
                    _ = try await api.pool.query(
                        "INSERT INTO log_bodies (id, created_at, request, response) VALUES ($1, $2, NULL, $3)",
                        [.text(row.0 + "-" + gateway), .instant(created), .bytes(Array(body.utf8))]
                    )
                }
            }
        }
        return api
    }

    private func ids(_ api: ManagementAPI, _ query: String) async -> String {
        let reply = await api.send("GET", Self.path, query: query)
        return reply.status == 200 ? reply.ids.map { String($0.prefix(1)) }.joined() : "\(reply.status) \(reply.codes)"
    }

    @Test("who may see the log but no bodies is shown all of an entry but their beginnings")
    func metadataOnly() async throws {
        let api = try await filled()
        let token = try await api.tokens.create(
            account: ManagementAPI.account, name: "", permissions: .metadata, expiresAt: nil
        ).text.reveal()
        #expect(await api.send("GET", Self.path, token: token).ids.count == 4)
        let whole = await api.send("GET", Self.path + "/b-g")
        let part = await api.send("GET", Self.path + "/b-g", token: token)
        #expect(whole.result["response_head"] == "{\"x\":1}" && whole.result["response_head_complete"] == true)
        #expect(part.result["response_head"] == .null && part.result["response_head_complete"] == false)
        #expect(part.result["metadata"] == whole.result["metadata"])
        #expect(!part.text.contains("{\\\"x"))
        for body in ["/request", "/response"] {
            #expect(await api.send("GET", Self.path + "/b-g" + body, token: token).status == 403)
        }
    }

    @Test("rows come newest first, with every documented member, unknown values as null and exact costs")
    func rows() async throws {
        let api = try await filled()
        let reply = await api.send("GET", Self.path, query: "meta_info=true")
        #expect(reply.ids == ["d-g", "c-g", "b-g", "a-g"])
        let unknown = try #require(reply.result.elements?[1])
        #expect(unknown["tokens_in"] == .null)
        #expect(unknown["cost"] == .null)
        #expect(unknown["usage_metadata"]?["total_tokens"] == .null)
        #expect(unknown["created_at"] == "2026-01-02T03:04:07.000Z")
        let known = try #require(reply.result.elements?[3])
        #expect(known["cost"] == .number("0.000000000123"))
        #expect(known["metadata"]?.text.flatMap { try? JSONValue(parsing: $0) }?["user"] == "ann")
        #expect(known["duration"] == 100)
        #expect(known["success"] == true)
        #expect(known["request"] == "")
        let info = try #require(reply.document["result_info"])
        #expect(info["total_count"] == 4)
        #expect(info["min_cost"] == .number("0"))
        #expect(info["max_cost"] == .number("1.5"))
        #expect(info["max_duration"] == 400)
        #expect(info["min_total_tokens"] == 0)
        #expect(info["max_total_tokens"] == 40)
        #expect(await api.send("GET", Self.path).document["result_info"]?["min_cost"] == nil)
    }

    @Test(
        "order, pages and the older parameters work",
        arguments: [
            ("order_by_direction=asc", "abcd"), ("direction=asc", "abcd"),
            ("order_by=provider&order_by_direction=asc", "cdab"),
            ("order_by=cost", "badc"), ("order_by=tokens_in&order_by_direction=asc", "cdab"),
            ("per_page=2&page=2", "ba"),
            ("page=9", ""), ("start_date=2026-01-02T03:04:06Z", "dcb"), ("end_date=2026-01-02T03:04:06.000Z", "ba"),
            ("start_date=2026-01-02T03:04:06Z&end_date=2026-01-02T03:04:07Z&order_by=created_at", "cb"),
            ("min_cost=1.5", "b"), ("max_cost=0", "d"), ("min_tokens_in=10&max_tokens_in=10", "a"),
            ("min_total_tokens=40", "b"), ("min_duration=300", "dc"), ("success=false", "c"), ("success=1", "dba"),
            ("feedback=-1", "b"), ("feedback=0", "dc"), ("model=gpt-5", "a"), ("provider=openai", "ba"),
            ("search=MINI", "b"),
            ("search=x%25y", "b"), ("search=ann", "a"), ("search=o%27neil", "d"), ("search=%25", "b"),
        ])
    func selection(query: String, expected: String) async throws {
        let api = try await filled()
        #expect(await ids(api, query) == expected)
    }

    @Test(
        "filters select what their operators say",
        arguments: [
            (#"[{"key":"provider","operator":"eq","value":["openai","groq"]}]"#, "dba"),
            (#"[{"key":"provider","operator":"neq","value":["openai","groq"]}]"#, "c"),
            (#"[{"key":"model","operator":"contains","value":["GPT"]}]"#, "ba"),
            (#"[{"key":"model","operator":"contains","value":["%"]}]"#, ""),
            (#"[{"key":"cost","operator":"gt","value":[1]}]"#, "b"),
            (#"[{"key":"cost","operator":"lt","value":["1"]}]"#, "da"),
            (#"[{"key":"cost","operator":"eq","value":[null]}]"#, "c"),
            (#"[{"key":"feedback","operator":"eq","value":[null]}]"#, "dc"),
            (#"[{"key":"feedback","operator":"neq","value":[1]}]"#, "dcb"),
            (#"[{"key":"feedback","operator":"eq","value":["0"]}]"#, "dc"),
            (#"[{"key":"feedback","operator":"neq","value":[0]}]"#, "ba"),
            (#"[{"key":"model","operator":"contains","value":[null]}]"#, ""),
            (#"[{"key":"feedback","operator":"neq","value":[null]}]"#, "ba"),
            (#"[{"key":"tokens","operator":"gt","value":[20]}]"#, "b"),
            (#"[{"key":"success","operator":"eq","value":["false"]}]"#, "c"),
            (
                #"[{"key":"success","operator":"eq","value":[true]},{"key":"provider","operator":"eq","value":["openai"]}]"#,
                "ba"
            ),
            (#"[{"key":"created_at","operator":"gt","value":["2026-01-02T03:04:06Z"]}]"#, "dc"),
            (#"[{"key":"metadata.key","operator":"eq","value":["team"]}]"#, "b"),
            (#"[{"key":"metadata.value","operator":"eq","value":["ann"]}]"#, "a"),
            (#"[{"key":"metadata.value","operator":"eq","value":[1]}]"#, "a"),
            (#"[{"key":"metadata.key","operator":"neq","value":["team"]}]"#, "dca"),
            (#"[{"key":"metadata.key","operator":"eq","value":[null]}]"#, "dc"),
            (#"[{"key":"metadata.value","operator":"contains","value":["X%"]}]"#, "b"),
            (#"[{"key":"id","operator":"eq","value":["c-g"]}]"#, "c"),
            (#"[{"key":"duration","operator":"lt","value":[150.5]}]"#, "a"),
            (#"[{"key":"dlp_action","operator":"eq","value":["FLAG"]}]"#, ""),
            (#"[{"key":"prompts.prompt_id","operator":"eq","value":[null]}]"#, "dcba"),
            (#"[{"key":"compatibilityMode","operator":"eq","value":[true]}]"#, "dcba"),
            (#"[{"key":"model","operator":"eq","value":["' OR 1=1 --"]}]"#, ""),
            (#"[{"key":"model","operator":"eq","value":[]}]"#, ""),
            (#"[{"key":"cost","operator":"eq","value":["x"]}]"#, "400 [7001]"),
            (#"[{"key":"success","operator":"eq","value":["maybe"]}]"#, "400 [7001]"),
            (#"[{"key":"created_at","operator":"eq","value":["string"]}]"#, "400 [7001]"),
            (#"[{"key":"nothing","operator":"eq","value":[1]}]"#, "400 [7001]"),
            (#"[{"key":"cost","operator":"like","value":[1]}]"#, "400 [7001]"),
            (#"[{"key":"cost","operator":"gt","value":[1e999]}]"#, "400 [7001]"),
            (#"[{"key":"model","operator":"eq","value":["a\u0000"]}]"#, "400 [7001]"),
        ])
    func filters(filter: String, expected: String) async throws {
        let api = try await filled()
        #expect(await ids(api, "filters=" + filter.replacing("%", with: "%25")) == expected)
    }

    @Test(
        "a time that an entry shows means the entry, whatever its microseconds",
        arguments: [
            (#"filters=[{"key":"created_at","operator":"eq","value":["2026-01-02T03:04:06.000Z"]}]"#, "b"),
            (#"filters=[{"key":"created_at","operator":"neq","value":["2026-01-02T03:04:06.000Z"]}]"#, "dca"),
            (#"filters=[{"key":"created_at","operator":"gt","value":["2026-01-02T03:04:06.000Z"]}]"#, "dc"),
            (#"filters=[{"key":"created_at","operator":"lt","value":["2026-01-02T03:04:06.000Z"]}]"#, "a"),
            ("start_date=2026-01-02T03:04:06.000Z", "dcb"), ("end_date=2026-01-02T03:04:06.000Z", "ba"),
            ("end_date=2026-01-02T03:04:05.999Z", "a"), ("end_date=2026-01-02T03:04:06.000455Z", "a"),
            ("end_date=2026-01-02T03:04:06.000456Z", "ba"), ("start_date=2026-01-02T03:04:06.000456Z", "dcb"),
            ("start_date=2026-01-02T03:04:06.000457Z", "dc"),
        ])
    func shownTimes(query: String, expected: String) async throws {
        let api = try await filled()
        _ = try await api.pool.query(
            "UPDATE logs SET created_at = created_at + interval '456 microseconds' WHERE id LIKE 'b-%'")
        #expect(await ids(api, query) == expected)
        // The same without the counts.
        #expect(await ids(api, query + "&search=e") == expected)
    }

    @Test("tokens of one side alone are a total as well, in entries, ranges and filters")
    func oneSidedTokens() async throws {
        let api = try await filled()
        _ = try await api.pool.query("UPDATE logs SET tokens_in = 70, tokens_out = NULL WHERE id = 'c-g'")
        let reply = await api.send("GET", Self.path, query: "meta_info=true")
        #expect(reply.result.elements?[1]["usage_metadata"]?["total_tokens"] == 70)
        #expect(reply.document["result_info"]?["max_total_tokens"] == 70)
        #expect(await ids(api, "min_total_tokens=70") == "c")
    }

    @Test("every key takes every operator and every kind of value without failing")
    func everyCombination() async throws {
        let api = try await filled()
        for key in LogCondition.Key.allCases {
            for operation in ["eq", "neq", "contains", "lt", "gt"] {
                for value in [#""a""#, "1", "true", "null", #""2026-01-02""#] {
                    let filter = #"filters=[{"key":"\#(key.rawValue)","operator":"\#(operation)","value":[\#(value)]}]"#
                    let reply = await api.send("GET", Self.path, query: filter)
                    #expect([200, 400].contains(reply.status), "\(filter)")
                }
            }
        }
    }

    @Test(
        "per_page above 50, an unknown order and a bad flag are refused",
        arguments: [
            "per_page=51", "per_page=0", "order_by=password", "order_by_direction=up", "meta_info=maybe", "min_cost=x",
            "start_date=yesterday", "success=2",
        ])
    func refusal(query: String) async throws {
        let api = try await filled()
        #expect(await ids(api, query) == "400 [7001]")
    }

    @Test("a row shows the heads of its bodies; the bodies come raw with their content type")
    func bodies() async throws {
        let api = try await filled()
        let detail = await api.send("GET", Self.path + "/c-g").result
        #expect(detail["response_head"] == "data: äöü\n\n")
        #expect(detail["response_head_complete"] == true)
        #expect(detail["request_head"] == .null)
        #expect(detail["request_head_complete"] == false)
        let raw = await api.send("GET", Self.path + "/c-g/response", token: api.read)
        #expect(raw.text == "data: äöü\n\n")
        #expect(raw.headers["content-type"] == "text/event-stream")
        for path in ["/c-g/request", "/a-g/response", "/none", "/none/response", "/a-other"] {
            let missing = await api.send("GET", Self.path + path)
            #expect(missing.status == 404, "\(path)")
            #expect(missing.codes == [7002])
        }
    }

    @Test("feedback, score and metadata are set, cleared and checked")
    func patch() async throws {
        let api = try await filled()
        let path = Self.path + "/a-g"
        let done = await api.send("PATCH", path, body: #"{"feedback":-1.0,"score":99.5,"metadata":{"k":1.50,"s":"x"}}"#)
        #expect(done.status == 200)
        #expect(done.result == [:])
        var row = await api.send("GET", path).result
        #expect(row["feedback"] == -1)
        #expect(row["score"] == .number("99.5"))
        #expect(row["metadata"]?.text.flatMap { try? JSONValue(parsing: $0) }?["k"] == .number("1.50"))
        #expect(await api.send("PATCH", path).status == 200)
        #expect(await api.send("PATCH", path, body: #"{"feedback":null,"metadata":null}"#).status == 200)
        row = await api.send("GET", path).result
        #expect(row["feedback"] == .null)
        #expect(row["metadata"] == .null)
        #expect(row["score"] == .number("99.5"))
        _ = await api.send("PATCH", path, body: #"{"feedback":1}"#)
        _ = await api.send("PATCH", path, body: #"{"feedback":0}"#)
        #expect(await api.send("GET", path).result["feedback"] == .null, "no thumb is none")
        for body in [#"{"feedback":2}"#, #"{"score":101}"#, #"{"metadata":{"a":{}}}"#, #"{"metadata":[]}"#, "[]"] {
            #expect(await api.send("PATCH", path, body: body).codes == [7001], "\(body)")
        }
        #expect(await api.send("PATCH", Self.path + "/none", body: "{}").codes == [7002])
    }

    @Test("a row that is still on its way is waited for")
    func late() async throws {
        let now = Instant(milliseconds: 1_767_323_045_000)
        let api = try await ManagementAPI(now: now, settlingLimit: .seconds(60))
        await api.makeGateway("g")
        var generator = SystemRandomNumberGenerator()
        let id = LogID(milliseconds: UInt64(now.milliseconds), random: &generator)
        async let patched = api.send("PATCH", Self.path + "/\(id)", body: #"{"feedback":1}"#)
        _ = try await api.pool.query(
            """
            INSERT INTO logs (id, created_at, event_id, account_id, gateway_id, provider, model, path, method,
                request_type, status_code, success, cached, step, duration_us, custom_cost, request_size,
                response_size, request_complete, response_complete, streamed, authenticated)
            SELECT $1, $2, '', $3, 'g', 'p', 'm', '', 'POST', 'native', 200, true, false, 0, 0, false, 0, 0, true, true,
                false, true FROM pg_sleep(0.2)
            """,
            [.text(id.description), .instant(now), .text(ManagementAPI.account.rawValue)]
        )
        #expect(await patched.status == 200)
    }

    /// Carries out what was promised, as the background work of a daemon does.
    private static func keepHouse(_ api: ManagementAPI) async throws {
        let house = LogHousekeeping(api.pool) { Issue.record("\($0)") }
        while try await house.step() {}
    }

    @Test("deletion takes the oldest of a selection, with their bodies")
    func deletion() async throws {
        let api = try await filled()
        let done = await api.send("DELETE", Self.path, query: "limit=1")
        #expect(done.status == 200)
        #expect(done.document["success"] == true)
        #expect(await ids(api, "") == "dcba", "a deletion is promised, and carried out later")
        try await Self.keepHouse(api)
        #expect(await ids(api, "") == "dcb")
        #expect(
            await api.send("DELETE", Self.path, query: #"filters=[{"key":"success","operator":"eq","value":[false]}]"#)
                .status == 200)
        try await Self.keepHouse(api)
        #expect(await ids(api, "") == "db")
        #expect(try await api.pool.query("SELECT 1 FROM log_bodies").count == 1)
        #expect(await api.send("DELETE", Self.path, query: "limit=0").codes == [7001])
        #expect(await api.send("DELETE", Self.path, query: "limit=10001").codes == [7001])
        let unreadable = #"filters=[{"key":"cost","operator":"gt","value":["x"]}]"#
        #expect(await api.send("DELETE", Self.path, query: unreadable).codes == [7001])
        for literal in ["1e-99999", "\"1e-99999\"", "1E-1001", "0e99999999999999999999", "1e31"] {
            let refused = #"filters=[{"key":"cost","operator":"gt","value":[\#(literal)]}]"#
            for method in ["DELETE", "GET"] {
                #expect(await api.send(method, Self.path, query: refused).codes == [7001], "\(method) \(literal)")
            }
        }
        #expect(await api.send("GET", Self.path, query: "min_cost=1e-99999").codes == [7001])
        #expect(
            await api.send("GET", Self.path, query: #"filters=[{"key":"cost","operator":"lt","value":["1e-1000"]}]"#)
                .status == 200)
        #expect(await api.send("DELETE", ManagementAPI.gateways + "/none/logs").codes == [7002])
        #expect(
            await api.send("DELETE", Self.path, query: "order_by=cost&order_by_direction=desc&limit=1").status == 200)
        try await Self.keepHouse(api)
        #expect(await ids(api, "") == "d", "the row that costs most goes first")
        #expect(await api.send("DELETE", Self.path).status == 200)
        try await Self.keepHouse(api)
        #expect(await ids(api, "") == "")
        #expect(try await api.pool.query("SELECT 1 FROM logs").count == 1)
    }

    @Test("deleting a gateway deletes its logs and nobody else's")
    func gatewayDeletion() async throws {
        let api = try await filled()
        #expect(await api.send("DELETE", ManagementAPI.gateways + "/g").status == 200)
        await api.makeGateway("g")
        #expect(await ids(api, "") == "", "a new gateway of the same name does not show them meanwhile")
        #expect(await ids(api, "search=model") == "")
        #expect(await api.send("DELETE", ManagementAPI.gateways + "/g").status == 200)
        try await Self.keepHouse(api)
        let left = try await api.pool.query("SELECT id FROM logs")
        #expect(try left.map { try $0.text("id") } == ["a-other"])
        #expect(try await api.pool.query("SELECT 1 FROM log_bodies").isEmpty)
        #expect(await api.send("GET", Self.path).codes == [7002])
    }
}
