@testable import AdminAPI
import ControlPlane
import GatewayCore
import PostgresStore
import Testing

@Suite("Prepaid credit over the API")
struct BillingRoutesTests {
    private static let billing = "/accounts/\(ManagementAPI.account)/ai-gateway/billing"

    @Test("credit is what was granted, and the grants are its invoices")
    func credit() async throws {
        let api = try await ManagementAPI()
        #expect(await api.send("GET", Self.billing + "/credit-balance").result["balance"] == 0)
        let credit = CreditAdministration(api.pool, clock: FixedClock(now: Instant(milliseconds: 0)))
        for (cents, note) in [(5000, "first"), (-300, "back"), (25, "last")] {
            _ = try await credit.grant(cents, note: note, to: ManagementAPI.account)
        }
        let balance = await api.send("GET", Self.billing + "/credit-balance").result
        #expect(balance["balance"] == 4725)
        #expect(balance["has_default_payment_method"] == false)
        #expect(balance["topup_config"]?.members?.count == 5)
        let page = await api.send("GET", Self.billing + "/invoice-history", query: "page=1&per_page=2").result
        #expect(page["invoices"]?.elements?.map { $0["amount_paid"] } == [25, -300])
        #expect(page["pagination"] == ["has_more": true, "page": 1, "per_page": 2, "total_count": 3])
        let rest = await api.send("GET", Self.billing + "/invoice-history", query: "page=2&per_page=2").result
        #expect(rest["pagination"]?["has_more"] == false)
        let auto = await api.send("GET", Self.billing + "/invoice-history", query: "type=auto").result
        #expect(auto["invoices"] == [])
        await #expect(throws: ControlError.notFound) {
            _ = try await credit.grant(1, note: "", to: "00000000000000000000000000000000")
        }
        await #expect(throws: ControlError.self) { _ = try await credit.grant(0, note: "", to: ManagementAPI.account) }
    }

    @Test("nobody can be charged, and spending limits are refused")
    func refusals() async throws {
        let api = try await ManagementAPI()
        let topup = await api.send("POST", Self.billing + "/topup", body: #"{"amount":1000}"#)
        #expect(topup.status == 400)
        #expect(topup.codes == [1000])
        #expect(topup.messages == ["NO_MANUAL_TOPUP"])
        #expect(topup.document["result"] == .null)
        let unread = await api.send("GET", Self.billing + "/credit-balance", token: api.run)
        #expect(unread.status == 403 && unread.document["result"] == .null)
        #expect(await api.send("GET", ManagementAPI.gateways + "/none").document["result"] == [:])
        #expect(
            await api.send("POST", Self.billing + "/topup", body: #"{"amount":999}"#).paths == [["body", "amount"]])
        let other = await api.send("POST", Self.billing + "/topup", body: #"{"amount":1000,"card":"x"}"#)
        #expect(other.paths == [["body", "card"]])
        let status = await api.send("POST", Self.billing + "/topup/status", body: #"{"payment_intent_id":"x"}"#)
        #expect(status.status == 404)
        let limit = await api.send(
            "POST", Self.billing + "/spending-limit", body: #"{"amount":100,"duration":"daily","strategy":"fixed"}"#
        )
        #expect(limit.status == 403)
        #expect(limit.messages.first?.contains("deprecated") == true)
        #expect(await api.send("GET", Self.billing + "/spending-limit").result["enabled"] == false)
    }

    @Test("the wish for a top-up is kept, checked and forgotten")
    func wish() async throws {
        let api = try await ManagementAPI()
        let path = Self.billing + "/topup/config"
        #expect(await api.send("GET", path).result["amount"] == .null)
        #expect(await api.send("POST", path, body: #"{"amount":1000}"#).paths == [["body", "threshold"]])
        #expect(await api.send("POST", path, body: #"{"amount":1000,"threshold":499}"#).status == 400)
        let set = await api.send("POST", path, body: #"{"amount":1000,"threshold":500}"#)
        #expect(set.result == ["amount": 1000, "threshold": 500])
        #expect(await api.send("GET", path).result["threshold"] == 500)
        #expect(await api.send("GET", path).result["disabledReason"] == "no_payment_method")
        #expect(await api.send("DELETE", path).status == 200)
        #expect(await api.send("GET", path).result["threshold"] == .null)
    }

    @Test("usage adds up what log entries cost, by day and hour of UTC")
    func usage() async throws {
        let now = try #require(Timestamp.instant("2026-02-28T12:00:00Z"))
        let api = try await ManagementAPI(now: now)
        for (id, time, cost) in [
            ("1", "2026-02-27T23:59:59Z", "0.01"), ("2", "2026-02-28T00:00:00Z", "0.002"),
            ("3", "2026-02-28T00:30:00Z", "0.0005"), ("4", "2026-01-05T00:00:00Z", "9"),
            ("5", "2026-02-28T01:00:00Z", nil),
        ] as [(String, String, String?)] {
            _ = try await api.pool.query(
                """
                INSERT INTO logs (id, created_at, event_id, account_id, gateway_id, provider, model, path, method,
                    request_type, status_code, success, cached, step, duration_us, cost, custom_cost, request_size,
                    response_size, request_complete, response_complete, streamed, authenticated)
                VALUES ($1, $2::text::timestamptz, 'e', $3, 'g', 'p', 'm', '/', 'POST', 'native', 200, true, false, 0, 1,
                    $4::text::numeric, false, 0, 0, true, true, false, true)
                """,
                [.text(id), .text(time), .text(ManagementAPI.account.rawValue), .text(cost)]
            )
        }
        let path = Self.billing + "/usage-history"
        let days = await api.send("GET", path, query: "value_grouping_window=day").result["history"]?.elements ?? []
        #expect(days.map { $0["aggregated_value"]?.double } == [1, 0.25])
        #expect(days.last?["start_time"]?.integer == 1_772_236_800_000)
        #expect(days.last?["end_time"]?.integer == 1_772_323_200_000)
        let hours = await api.send("GET", path, query: "value_grouping_window=hour").result["history"]?.elements ?? []
        #expect(hours.map { $0["aggregated_value"]?.double } == [1, 0.25])
        let all = await api.send("GET", path, query: "value_grouping_window=day&start_time=1767225600000")
        #expect(all.result["history"]?.elements?.map { $0["aggregated_value"]?.double } == [900, 1, 0.25])
        #expect(await api.send("GET", path).paths == [["query", "value_grouping_window"]])
        let span = await api.send("GET", path, query: "value_grouping_window=hour&start_time=0")
        #expect(span.paths == [["query", "start_time"]])
        let preview = await api.send("GET", Self.billing + "/invoice-preview").result
        #expect(preview["invoice_lines"]?.elements?.count == 2)
        #expect(preview["period_start"]?.integer == 1_769_904_000)
        #expect(preview["period_end"]?.integer == 1_772_323_200)
        #expect(preview["amount_due"] == 0)
    }
}
