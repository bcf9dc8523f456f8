import ControlPlane

/// The forms of billing in the API's description (control-plane.md §10); amounts are US cents.
enum BillingSchema {
    static let topupConfig = Schema.object([
        "amount": Schema.integer.orNull, "threshold": Schema.integer.orNull, "disabledReason": Schema.string.orNull,
        "error": Schema.string.orNull, "lastFailedAt": Schema.number.orNull,
    ]).named("TopupConfig")

    static let balance = Schema.object([
        "balance": .integer, "has_default_payment_method": .boolean, "payment_method": Schema.object.orNull,
        "topup_config": topupConfig, "first_topup_success": .boolean,
    ])

    static let wish = Schema.object([
        "amount": .integer(CreditAdministration.leastTopup...1_000_000_000_000),
        "threshold": .integer(CreditAdministration.leastThreshold...1_000_000_000_000),
    ])

    static let invoices = Schema.object([
        "invoices": .array(
            of: .object([
                "id": .string, "amount_due": .integer, "amount_paid": .integer, "amount_remaining": .integer,
                "currency": .string, "status": .string, "created": .integer, "description": .string,
            ])
        ),
        "pagination": .object([
            "has_more": .boolean, "page": .integer, "per_page": .integer, "total_count": .integer,
        ]),
    ])

    static let preview = Schema.object([
        "id": .string, "amount_due": .number, "amount_paid": .number, "amount_remaining": .number,
        "currency": .string, "invoice_lines": .array(of: .object), "period_start": .integer, "period_end": .integer,
        "status": .words(["draft", "open", "paid", "uncollectible", "void"]),
    ])

    static let usage = Schema.object([
        "history": .array(
            of: .object([
                "id": .string, "aggregated_value": .number, "start_time": .integer, "end_time": .integer,
            ])
        )
    ])

    static let spendingLimit = Schema.object([
        "enabled": .boolean,
        "config": .object([
            "amount": Schema.integer.orNull, "duration": Schema.string.orNull, "strategy": Schema.string.orNull,
        ]),
    ])
}
