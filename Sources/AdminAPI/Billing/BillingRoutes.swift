import ControlPlane
import GatewayCore
import PostgresStore

/// Billing as the operator's prepaid credit (control-plane.md §10): nothing here can charge anybody.
extension AdminRoutes {
    /// - Source: control-plane §10 · documented: errors say `result: null`.
    var billingTable: [AdminRoute] {
        billingRoutes.map { route in
            var route = route
            route.resultOfErrors = .null
            return route
        }
    }

    private var billingRoutes: [AdminRoute] {
        let billing = Self.product + "/billing"
        return [
            AdminRoute(
                "GET", billing + "/credit-balance", "The account's credit.", answer: .result(BillingSchema.balance)
            ) { try await creditBalance($0) },
            AdminRoute(
                "GET", billing + "/invoice-history", "Lists the credit that was granted.",
                query: .pages() + [.init("type", .words(InvoiceKind.allCases.map(\.rawValue)))],
                answer: .result(BillingSchema.invoices)
            ) { try await invoiceHistory($0) },
            AdminRoute(
                "GET", billing + "/invoice-preview", "What the present month has cost so far.",
                answer: .result(BillingSchema.preview)
            ) { try await invoicePreview($0) },
            AdminRoute(
                "GET", billing + "/usage-history", "What requests cost by day or hour.",
                query: [
                    .init(
                        "value_grouping_window", .words(CreditRepository.Grouping.allCases.map(\.rawValue)), .required
                    ), .init("start_time", .integer(0...Self.latestTime)),
                    .init("end_time", .integer(0...Self.latestTime)),
                ], answer: .result(BillingSchema.usage)
            ) { try await usageHistory($0) },
        ] + topupTable(billing + "/topup") + spendingLimitTable(billing + "/spending-limit")
    }

    private func topupTable(_ topup: String) -> [AdminRoute] {
        let leastTopup = Schema.integer(CreditAdministration.leastTopup...1_000_000)
        return [
            AdminRoute(
                "POST", topup, "Refused: there is no means of payment.",
                body: .object(["amount": leastTopup, "payment_method_id?": .string(0...256)])
            ) { try await refuseTopup($0) },
            AdminRoute(
                "POST", topup + "/status", "404: no payment is ever under way.",
                body: .object(["payment_intent_id": .string(1...256)])
            ) { try await topupStatus($0) },
            AdminRoute(
                "GET", topup + "/config", "When the account wants its credit raised.",
                answer: .result(BillingSchema.topupConfig)
            ) { try await topupConfig($0) },
            AdminRoute(
                "POST", topup + "/config", "Notes when the account wants its credit raised.",
                body: BillingSchema.wish, answer: .result(BillingSchema.wish)
            ) { try await setTopupConfig($0) },
            AdminRoute(
                "DELETE", topup + "/config", "Forgets when the account wants its credit raised.",
                answer: .result(.object)
            ) { try await clearTopupConfig($0) },
            AdminRoute(
                "GET", topup + "/limits", "The least amounts of top-ups.",
                answer: .result(.object(["min_amount": .integer, "min_threshold": .integer]))
            ) { try await topupLimits($0) },
        ]
    }

    private func spendingLimitTable(_ limit: String) -> [AdminRoute] {
        [
            AdminRoute(
                "GET", limit, "Always off: gateways have spend limits in its place.",
                answer: .result(BillingSchema.spendingLimit)
            ) { try await spendingLimit($0) },
            AdminRoute("POST", limit, "Refused: gateways have spend limits in its place.", body: .object) {
                try await refuseSpendingLimit($0)
            },
            AdminRoute("DELETE", limit, "Does nothing: it is always off.", answer: .result(.object)) {
                try await spendingLimit($0)
            },
        ]
    }

    private enum InvoiceKind: String, CaseIterable { case auto, all, manual }
    /// Milliseconds, in the year 9999.
    private static let latestTime = 253_402_300_799_000
    private static let noPayment: JSONValue = "no_payment_method"

    func creditBalance(_ call: AdminCall) async throws -> AdminAnswer {
        let balance = try await creditUseCases.balance(of: call.account)
        return Envelope.success([
            "balance": JSONValue(balance), "has_default_payment_method": false, "payment_method": nil,
            "topup_config": Self.config(try await creditUseCases.topupWish(of: call.account)),
            "first_topup_success": .bool(balance != 0),
        ])
    }

    private static func config(_ wish: CreditRepository.TopupWish?) -> JSONValue {
        [
            "amount": JSONValue(wish?.amountCents), "threshold": JSONValue(wish?.thresholdCents),
            "disabledReason": wish == nil ? nil : noPayment, "error": nil, "lastFailedAt": nil,
        ]
    }

    func invoiceHistory(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 1...100)
        let kind = try PageQuery.choice(call.query, "type", InvoiceKind.self) ?? .all
        let page =
            kind == .auto
            ? Page(items: [], total: 0) : try await creditUseCases.entries(of: call.account, page: request)
        let invoices = page.items.map { entry -> JSONValue in
            [
                "id": .string(entry.id), "amount_due": JSONValue(entry.amountCents),
                "amount_paid": JSONValue(entry.amountCents), "amount_remaining": 0, "currency": "usd",
                "status": "paid", "created": JSONValue(Int(entry.createdAt.milliseconds / 1000)),
                "description": .string(entry.note), "attempted": true, "attempt_count": 0, "auto_advance": false,
                "created_by": "operator", "invoice_origin": "manual",
            ]
        }
        let end = (request.number - 1).multipliedReportingOverflow(by: request.size)
        return Envelope.success([
            "invoices": .array(invoices),
            "pagination": [
                "has_more": .bool(!end.overflow && end.partialValue + page.items.count < page.total),
                "page": JSONValue(request.number), "per_page": JSONValue(request.size),
                "total_count": JSONValue(page.total),
            ],
        ])
    }

    func invoicePreview(_ call: AdminCall) async throws -> AdminAnswer {
        let month = try await creditUseCases.presentMonth(of: call.account)
        let period: JSONValue = ["start": Self.seconds(month.start), "end": Self.seconds(month.end)]
        let lines = month.cents.map { usage -> JSONValue in
            [
                "amount": .number(usage.cents), "currency": "usd",
                "description": .string("Requests of " + String(Timestamp.text(usage.start).prefix(10))),
                "period": ["start": Self.seconds(usage.start), "end": Self.seconds(usage.end)],
                "pricing": [:], "quantity": 1,
            ]
        }
        return Envelope.success([
            "id": .string("preview-" + Timestamp.text(month.start).prefix(7)),
            // The caller's own keys pay: nothing of it is owed to the operator.
            "amount_due": 0, "amount_paid": 0, "amount_remaining": 0, "currency": "usd",
            "invoice_lines": .array(lines), "period_start": period["start"] ?? .null,
            "period_end": period["end"] ?? .null, "status": "draft",
        ])
    }

    func usageHistory(_ call: AdminCall) async throws -> AdminAnswer {
        guard
            let grouping = try PageQuery.choice(
                call.query, "value_grouping_window", CreditRepository.Grouping.self
            )
        else { throw APIProblem.invalid(["query", "value_grouping_window"], "Required") }
        let range = 0...Self.latestTime
        let start = try PageQuery.integer(call.query, "start_time", in: range)
        let end = try PageQuery.integer(call.query, "end_time", in: range)
        let history = try await creditUseCases.usage(
            of: call.account, by: grouping, from: start.map { Instant(milliseconds: Int64($0)) },
            to: end.map { Instant(milliseconds: Int64($0)) }
        )
        return Envelope.success([
            "history": .array(
                history.map { usage in
                    [
                        "id": .string(Timestamp.text(usage.start)), "aggregated_value": .number(usage.cents),
                        "start_time": JSONValue(Int(usage.start.milliseconds)),
                        "end_time": JSONValue(Int(usage.end.milliseconds)),
                    ]
                }
            )
        ])
    }

    func refuseTopup(_ call: AdminCall) async throws -> AdminAnswer {
        try creditUseCases.refuseTopup(try call.document())
        return Envelope.success([:])
    }

    func topupStatus(_ call: AdminCall) async throws -> AdminAnswer {
        try creditUseCases.topupStatus(try call.document())
        return Envelope.success([:])
    }

    func topupConfig(_ call: AdminCall) async throws -> AdminAnswer {
        Envelope.success(Self.config(try await creditUseCases.topupWish(of: call.account)))
    }

    func setTopupConfig(_ call: AdminCall) async throws -> AdminAnswer {
        let wish = try await creditUseCases.setTopupWish(try call.document(), of: call.account)
        return Envelope.success([
            "amount": JSONValue(wish.amountCents), "threshold": JSONValue(wish.thresholdCents),
        ])
    }

    func clearTopupConfig(_ call: AdminCall) async throws -> AdminAnswer {
        try await creditUseCases.clearTopupWish(of: call.account)
        return Envelope.success([:])
    }

    func topupLimits(_ call: AdminCall) async throws -> AdminAnswer {
        Envelope.success([
            "min_amount": JSONValue(CreditAdministration.leastTopup),
            "min_threshold": JSONValue(CreditAdministration.leastThreshold),
        ])
    }

    func spendingLimit(_ call: AdminCall) async throws -> AdminAnswer {
        Envelope.success(["enabled": false, "config": ["amount": nil, "duration": nil, "strategy": nil]])
    }

    func refuseSpendingLimit(_ call: AdminCall) async throws -> AdminAnswer {
        try creditUseCases.refuseSpendingLimit(try call.document())
        return Envelope.success([:])
    }

    private static func seconds(_ instant: Instant) -> JSONValue { JSONValue(Int(instant.milliseconds / 1000)) }
}
