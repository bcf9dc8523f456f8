import ControlPlane
import GatewayCore
import NIOCore
import PostgresStore
import TestKit
import Testing

@Suite("GraphQL analytics")
struct AnalyticsRoutesTests {
    /// 2026-11-22 14:00:00 UTC.
    private static let hour = Instant(milliseconds: 1_795_356_000_000)
    private static let now = Instant(milliseconds: 1_795_370_000_000)

    /// Six requests: minutes 0, 1, 6, 16 and 61 of two models, one refused, one from the cache; one of another account.
    private static func filled() async throws -> ManagementAPI {
        let api = try await ManagementAPI(now: now)
        var batch = RecordBatch()
        for (number, minute) in [0, 1, 6, 16, 61, 61, 61].enumerated() {
            var record = RequestRecord(
                id: LogID(high: UInt64(number + 1) << 16, low: 1), eventID: "e",
                account: number == 6 ? ManagementAPI.otherAccount : ManagementAPI.account,
                gateway: number == 4 ? "beta" : "alpha",
                createdAt: Instant(milliseconds: hour.milliseconds + Int64(minute) * 60_000 + 30_000)
            )
            record.provider = number % 2 == 0 ? "openai" : "anthropic"
            record.model = number % 2 == 0 ? "gpt" : "claude"
            record.status = number == 3 ? 500 : 200
            record.success = number != 3
            record.cached = number == 5
            record.usage.input = 10
            record.usage.output = 1
            record.cost = PicoUSD(picoDollars: number == 5 ? 0 : 1_500_000_000)
            record.duration = .milliseconds(100 * (number + 1))
            var encoded = ByteBuffer()
            record.encode(into: &encoded)
            batch.add(encoded)
        }
        try await RecordWriter(api.pool.makeSession()).write(batch)
        return api
    }

    private static func ask(
        _ api: ManagementAPI, _ dataset: String, _ variables: JSONValue = [:], token: String? = nil
    ) async -> JSONValue {
        let query =
            "query($n: Int) { viewer { accounts(filter: {accountTag: \"\(ManagementAPI.account)\"}) { \(dataset) } } }"
        let body: JSONValue = ["query": .string(query), "variables": variables]
        let reply = await api.send("POST", "/client/v4/graphql", body: body.encoded, token: token)
        #expect(reply.status == 200)
        return reply.document
    }

    /// The rows of the first dataset, each as compact JSON.
    private static func rows(_ answer: JSONValue) throws -> [String] {
        #expect(answer["errors"] == .null, "\(answer.encoded)")
        let account = try #require(answer["data"]?["viewer"]?["accounts"]?.elements?.first)
        return try #require(account.members?.first?.value.elements).map(\.encoded)
    }

    @Test("the documented query: counts, sums and dimensions, in order")
    func documented() async throws {
        let api = try await Self.filled()
        let answer = await Self.ask(
            api,
            """
            aiGatewayRequestsAdaptiveGroups(limit: 1000, filter: {datetimeHour_geq: "2026-11-22T14:00:00Z",
              datetimeHour_leq: "2026-11-22T15:00:00Z"}, orderBy: [datetimeHour_ASC, model_DESC]) {
              count sum { cachedRequests erroredRequests uncachedTokensIn cachedTokensIn tokensOut cost }
              dimensions { model provider gateway datetimeHour } }
            """)
        let first = "\"datetimeHour\":\"2026-11-22T14:00:00Z\"}}"
        let second = "\"datetimeHour\":\"2026-11-22T15:00:00Z\"}}"
        #expect(
            try Self.rows(answer) == [
                #"{"count":2,"sum":{"cachedRequests":0,"erroredRequests":0,"uncachedTokensIn":20,"cachedTokensIn":0,"tokensOut":2,"cost":0.003},"dimensions":{"model":"gpt","provider":"openai","gateway":"alpha","#
                    + first,
                #"{"count":2,"sum":{"cachedRequests":0,"erroredRequests":1,"uncachedTokensIn":20,"cachedTokensIn":0,"tokensOut":2,"cost":0.003},"dimensions":{"model":"claude","provider":"anthropic","gateway":"alpha","#
                    + first,
                #"{"count":1,"sum":{"cachedRequests":0,"erroredRequests":0,"uncachedTokensIn":10,"cachedTokensIn":0,"tokensOut":1,"cost":0.0015},"dimensions":{"model":"gpt","provider":"openai","gateway":"beta","#
                    + second,
                #"{"count":1,"sum":{"cachedRequests":1,"erroredRequests":0,"uncachedTokensIn":0,"cachedTokensIn":10,"tokensOut":1,"cost":0},"dimensions":{"model":"claude","provider":"anthropic","gateway":"alpha","#
                    + second,
            ])
    }

    @Test(
        "every way to name a time cuts where it says",
        arguments: [
            ("datetimeMinute", ["14:00", "14:01", "14:06", "14:16", "15:01"]),
            ("datetime", ["14:00", "14:01", "14:06", "14:16", "15:01"]),
            ("datetimeFiveMinutes", ["14:00", "14:05", "14:15", "15:00"]),
            ("datetimeFifteenMinutes", ["14:00", "14:15", "15:00"]), ("datetimeHour", ["14:00", "15:00"]),
        ])
    func times(name: String, expected: [String]) async throws {
        let api = try await Self.filled()
        let answer = await Self.ask(api, "aiGatewayRequestsAdaptiveGroups { dimensions { \(name) } }")
        #expect(
            try Self.rows(answer) == expected.map { #"{"dimensions":{"\#(name)":"2026-11-22T\#($0):00Z"}}"# })
    }

    @Test(
        "filters say which requests are meant",
        arguments: [
            (#"{gateway: "alpha"}"#, 5), (#"{gateway_neq: "alpha"}"#, 1), (#"{gateway_in: ["alpha", "beta"]}"#, 6),
            (#"{gateway_notin: ["alpha", "beta"]}"#, 0), (#"{gateway_in: []}"#, 0), (#"{model_like: "cl%"}"#, 3),
            (#"{cached: 1}"#, 1), (#"{cached: false}"#, 5), (#"{error: true}"#, 1), (#"{statusCode_geq: 500}"#, 1),
            (#"{statusCode_gt: 500}"#, 0), (#"{date: "2026-11-22"}"#, 6), (#"{date_gt: "2026-11-22"}"#, 0),
            (#"{datetime_geq: "2026-11-22T14:01:00Z", datetime_lt: "2026-11-22T14:16:00Z"}"#, 2),
            (#"{datetime_geq: "2026-11-22T15:00:00Z"}"#, 2), (#"{datetime_lt: "2026-11-22T00:00:00Z"}"#, 0),
            (#"{OR: [{gateway: "beta"}, {AND: [{model: "gpt"}, {datetimeMinute: "2026-11-22T14:06:00Z"}]}]}"#, 2),
            (#"{gateway: "' OR 1=1 --"}"#, 0), (#"{gateway: $n}"#, 5),
            (#"{datetimeHour_geq: "2020-01-01T01:00:00Z"}"#, 6), (#"{date_lt: "2026-11-23"}"#, 6),
            (#"{datetime_geq: "2026-10-01T00:01:00Z", datetime_lt: "2026-10-20T00:01:00Z"}"#, 0),
            (#"{datetime_lt: "2026-11-22T14:06:00Z"}"#, 2), (#"{AND: {gateway: "beta"}}"#, 1),
        ])
    func filters(filter: String, count: Int) async throws {
        let api = try await Self.filled()
        let answer = await Self.ask(
            api, "aiGatewayRequestsAdaptiveGroups(filter: \(filter)) { count }", ["n": "alpha"])
        #expect(try Self.rows(answer) == (count == 0 ? [] : [#"{"count":\#(count)}"#]))
    }

    @Test("errors, cache, sizes and quantiles")
    func others() async throws {
        let api = try await Self.filled()
        await api.makeGateway("alpha")
        let answer = await Self.ask(
            api,
            """
            e: aiGatewayErrorsAdaptiveGroups { count dimensions { model statusCode } }
            c: aiGatewayCacheAdaptiveGroups(orderBy: count_DESC) { count dimensions { cacheStatus cacheOp } }
            s: aiGatewaySizeAdaptiveGroups { max { rows } dimensions { gateway } __typename }
            q: aiGatewayRequestsAdaptiveGroups(limit: 1) { avg { sampleInterval } quantiles { durationMsP50 durationMsP99 } }
            settings { aiGatewayRequestsAdaptiveGroups { notOlderThan maxDuration maxNumberOfFields } }
            """)
        let account = try #require(answer["data"]?["viewer"]?["accounts"]?.elements?.first)
        #expect(account["e"]?.encoded == #"[{"count":1,"dimensions":{"model":"claude","statusCode":500}}]"#)
        #expect(
            account["c"]?.encoded
                == #"[{"count":5,"dimensions":{"cacheStatus":"miss","cacheOp":"miss"}},{"count":1,"dimensions":{"cacheStatus":"hit","cacheOp":"hit"}}]"#
        )
        #expect(
            account["s"]?.encoded
                == #"[{"max":{"rows":5},"dimensions":{"gateway":"alpha"},"__typename":"AccountAiGatewaySizeAdaptiveGroups"}]"#
        )
        #expect(
            account["settings"]?["aiGatewayRequestsAdaptiveGroups"]
                == ["notOlderThan": 5_356_800, "maxDuration": 2_764_800, "maxNumberOfFields": 30])
        let group = try #require(account["q"]?.elements?.first)
        #expect(group["avg"] == ["sampleInterval": 1])
        // 100, 200 … 600 ms.
        let median = try #require(group["quantiles"]?["durationMsP50"]?.double)
        #expect((270...330).contains(median))
        let last = try #require(group["quantiles"]?["durationMsP99"]?.double)
        #expect((545...655).contains(last))
    }

    @Test("quantiles are those of the groups that are asked for")
    func quantiles() async throws {
        let api = try await Self.filled()
        let dataset =
            "aiGatewayRequestsAdaptiveGroups(%) { dimensions { model cached datetimeHour } quantiles { durationMsP50 durationMsP90 } }"
        let all = try Self.rows(await Self.ask(api, dataset.replacing("(%)", with: "")))
        // By model, cache and hour: 200 and 400 ms; 600 ms; 100 and 300 ms; 500 ms. Told to a class, which is 9 % wide.
        #expect(
            all == [
                #"{"dimensions":{"model":"claude","cached":0,"datetimeHour":"2026-11-22T14:00:00Z"},"quantiles":{"durationMsP50":202.14,"durationMsP90":397.34}}"#,
                #"{"dimensions":{"model":"claude","cached":1,"datetimeHour":"2026-11-22T15:00:00Z"},"quantiles":{"durationMsP50":597.05,"durationMsP90":618.11}}"#,
                #"{"dimensions":{"model":"gpt","cached":0,"datetimeHour":"2026-11-22T14:00:00Z"},"quantiles":{"durationMsP50":101.07,"durationMsP90":306.39}}"#,
                #"{"dimensions":{"model":"gpt","cached":0,"datetimeHour":"2026-11-22T15:00:00Z"},"quantiles":{"durationMsP50":502.06,"durationMsP90":519.77}}"#,
            ])
        let third = try Self.rows(
            await Self.ask(api, dataset.replacing("%", with: "limit: 1, orderBy: [model_DESC, datetimeHour_ASC]")))
        #expect(third == [all[2]])
        var query = UsageQuery(account: ManagementAPI.account)
        query.dimensions = [.model]
        query.resolution = .hour
        query.limit = 1
        let repository = UsageRepository(api.pool)
        let groups = try await repository.groups(query)
        let found = try await repository.quantiles(query, of: groups, shares: [0, 0.5, 1])
        #expect(found.map(\.values) == [["claude"]])
        #expect(found.first?.milliseconds.count == 3)
        query.dimensions = []
        query.condition = .compare(.model, .equal, [.text("none")])
        #expect(try await repository.quantiles(query, of: [], shares: [0.5]).isEmpty)
    }

    @Test("sizes are what is known of the logs, not counted row by row")
    func sizes() async throws {
        let api = try await Self.filled()
        for gateway in ["alpha", "beta", "empty"] { await api.makeGateway(gateway) }
        _ = try await api.pool.query("UPDATE log_totals SET rows = rows + 70 WHERE gateway_id = 'alpha'")
        let rows = try Self.rows(
            await Self.ask(api, "aiGatewaySizeAdaptiveGroups(limit: 2) { max { rows } dimensions { gateway } }"))
        #expect(
            rows == [
                #"{"max":{"rows":75},"dimensions":{"gateway":"alpha"}}"#,
                #"{"max":{"rows":1},"dimensions":{"gateway":"beta"}}"#,
            ])
    }

    @Test(
        "the lengths of logs are filtered, ordered and dated as the documentation has it",
        arguments: [
            ("", "alpha 5 100000,beta 1 100000,gamma 0 100000"),
            (#"(filter: {gateway: "beta"})"#, "beta 1 100000"),
            (
                #"(filter: {datetimeHour_geq: "2026-01-01T00:00:00Z", gateway_neq: "alpha"})"#,
                "beta 1 100000,gamma 0 100000"
            ),
            (#"(filter: {datetimeHour_leq: "2026-01-01T00:00:00Z"})"#, ""),
            (#"(limit: 1, orderBy: [gateway_DESC])"#, "gamma 0 100000"),
        ])
    func sizes(arguments: String, expected: String) async throws {
        let api = try await Self.filled()
        for gateway in ["alpha", "beta", "gamma"] { await api.makeGateway(gateway) }
        let answer = await Self.ask(
            api,
            "aiGatewaySizeAdaptiveGroups\(arguments) { max { rows } dimensions { gateway logManagement datetimeHour } }"
        )
        #expect(answer["errors"] == .null, "\(answer.encoded)")
        let rows = try #require(
            answer["data"]?["viewer"]?["accounts"]?.elements?.first?["aiGatewaySizeAdaptiveGroups"]?.elements)
        let shown = rows.map { row in
            let dimensions = row["dimensions"]
            return "\(dimensions?["gateway"]?.text ?? "") \(row["max"]?["rows"]?.integer ?? -1) "
                + "\(dimensions?["logManagement"]?.integer ?? -1)"
        }
        #expect(shown.joined(separator: ",") == expected)
        for row in rows {
            #expect(row["dimensions"]?["datetimeHour"]?.text?.hasSuffix(":00:00Z") == true)
        }
    }

    @Test(
        "what is not there is told by name and place, and the rest is not guessed",
        arguments: [
            ("nothing { count }", "Unknown dataset \"nothing\""),
            ("aiGatewayRequestsAdaptiveGroups", "needs a selection"),
            ("aiGatewayRequestsAdaptiveGroups { max { rows } }", "Unknown field \"max\""),
            ("aiGatewayRequestsAdaptiveGroups { dimensions { userAgent } }", "Unknown field \"userAgent\""),
            ("aiGatewayRequestsAdaptiveGroups { sum { nothing } }", "Unknown field \"nothing\""),
            ("aiGatewayRequestsAdaptiveGroups(limit: 0) { count }", "limit must be"),
            ("aiGatewaySizeAdaptiveGroups(filter: {model: \"m\"}) { max { rows } }", "Unknown filter \"model\""),
            ("aiGatewaySizeAdaptiveGroups(orderBy: [count_ASC]) { max { rows } }", "Unknown order \"count_ASC\""),
            ("aiGatewayRequestsAdaptiveGroups(limit: 10001) { count }", "limit must be"),
            ("aiGatewayRequestsAdaptiveGroups(first: 1) { count }", "Unknown argument \"first\""),
            ("aiGatewayRequestsAdaptiveGroups(filter: {nothing: 1}) { count }", "Unknown filter \"nothing\""),
            ("aiGatewayRequestsAdaptiveGroups(filter: {gateway: 1}) { count }", "must be a text"),
            ("aiGatewayRequestsAdaptiveGroups(filter: {date: \"now\"}) { count }", "must be a time"),
            ("aiGatewayRequestsAdaptiveGroups(filter: {cached_like: \"1\"}) { count }", "dimension of text"),
            (#"aiGatewayRequestsAdaptiveGroups(filter: {model_like: "x\\"}) { count }"#, "escape"),
            ("aiGatewayRequestsAdaptiveGroups(orderBy: [model_ASC]) { count }", "not among the selected"),
            ("aiGatewayRequestsAdaptiveGroups(orderBy: [count]) { count }", "_ASC or _DESC"),
            ("aiGatewayRequestsAdaptiveGroups(orderBy: [\"sum_x); DROP TABLE logs_DESC\"]) { count }", "Unknown order"),
            (
                "aiGatewayRequestsAdaptiveGroups(filter: {datetimeMinute_geq: \"2026-01-01T00:01:00Z\"}) { count }",
                "62 days"
            ),
            (
                "aiGatewayRequestsAdaptiveGroups(filter: {datetimeMinute_geq: \"2026-10-01T00:01:00Z\"}) { count }",
                "span 32 days"
            ),
            (
                "aiGatewayRequestsAdaptiveGroups(filter: {datetime_geq: \"2026-10-01T00:01:00Z\", OR: [{datetime_lt: \"2026-10-02T00:01:00Z\"}, {model: \"gpt\"}]}) { count }",
                "span 32 days"
            ),
            (
                "aiGatewayRequestsAdaptiveGroups(filter: {date_geq: \"2026-01-01\"}) { quantiles { durationMsP50 } }",
                "span 32 days"
            ),
            (
                "aiGatewayRequestsAdaptiveGroups { quantiles { durationMsP50 } dimensions { statusCode } }",
                "quantiles are kept"
            ),
        ])
    func refusals(dataset: String, message: String) async throws {
        let api = try await Self.filled()
        let answer = await Self.ask(api, dataset)
        #expect(answer["data"] == .null)
        let error = try #require(answer["errors"]?.elements?.first)
        #expect(error["message"]?.text?.contains(message) == true, "\(answer.encoded)")
        #expect(error["path"]?.elements?.prefix(2) == ["viewer", "accounts"])
        #expect(error["extensions"]?["timestamp"]?.text?.hasSuffix("Z") == true)
    }

    @Test("a token sees its own account and no other")
    func accounts() async throws {
        let api = try await Self.filled()
        let foreign = await Self.ask(api, "aiGatewayRequestsAdaptiveGroups { count }", token: api.foreign)
        #expect(foreign["data"] == .null)
        #expect(foreign["errors"]?.elements?.first?["message"] == "not authorized for that account")
        let query = #"{"query":"{ viewer { accounts { aiGatewayRequestsAdaptiveGroups { count } } } }"}"#
        let own = await api.send("POST", "/graphql", body: query, token: api.foreign)
        #expect(own.text.contains(#"[{"count":1}]"#))
        #expect(await api.send("POST", "/graphql", body: query, token: api.run).status == 403)
        #expect(await api.send("POST", "/graphql", body: query, token: api.read).status == 200)
        #expect(await api.send("POST", "/graphql", body: "{", token: api.read).status == 400)
        for body in ["", "[]", "7", #"{"query":7}"#, #"{"query":"{a}","variables":[]}"#] {
            let answer = await api.send("POST", "/graphql", body: body)
            #expect(answer.status == 200 && answer.document["data"] == .null, "\(body)")
        }
    }

    @Test("clients may ask for the fields of a type")
    func types() async throws {
        let api = try await Self.filled()
        let query =
            #"{ __type(name: \"AccountAiGatewayRequestsAdaptiveGroupsSum\") { name fields { name } } none: __type(name: \"X\") { name } }"#
        let answer = await api.send("POST", "/graphql", body: #"{"query":"\#(query)"}"#)
        #expect(
            answer.text.contains(
                #"{"name":"AccountAiGatewayRequestsAdaptiveGroupsSum","fields":[{"name":"cachedRequests"}"#))
        #expect(answer.document["data"]?["none"] == .null)
    }
}
