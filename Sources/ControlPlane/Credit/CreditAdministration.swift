package import GatewayCore
package import PostgresStore

/// The prepaid credit of accounts, as the operator grants it and as accounts see it (control-plane.md §10).
///
/// A ledger without a card processor: nobody is charged, and the credit is not used up by requests, which go out with
/// the caller's own provider keys.
package struct CreditAdministration: Sendable {
    /// US cents.
    package static let leastTopup = 1000
    package static let leastThreshold = 500
    package static let leastSpendingLimit = 100
    private static let largest = 1_000_000_000_000
    private static let day: Int64 = 86_400_000_000
    /// Spans of time in one usage history.
    private static let historyLimit: Int64 = 366

    private let credit: CreditRepository
    private let clock: any WallClock

    package init(_ pool: PostgresPool, clock: any WallClock) {
        credit = CreditRepository(pool)
        self.clock = clock
    }

    /// US cents.
    package func balance(of account: AccountID) async throws(ControlError) -> Int {
        try await storing { try await credit.balance(of: account) }
    }

    package func entries(
        of account: AccountID, page: PageRequest
    ) async throws(ControlError) -> Page<CreditRepository.Entry> {
        try await storing { try await credit.entries(of: account, page: page) }
    }

    /// Grants credit, or takes some back.
    ///
    /// - Parameter cents: US cents; negative to take back.
    package func grant(
        _ cents: Int, note: String, to account: AccountID
    ) async throws(ControlError) -> CreditRepository.Entry {
        guard cents != 0, cents.magnitude <= Self.largest else {
            throw .invalid([FieldProblem(["amount"], "An amount is a number of US cents other than 0")])
        }
        guard note.unicodeScalars.count <= 1024, !note.utf8.contains(0) else {
            throw .invalid([FieldProblem(["note"], "A note has at most 1024 characters")])
        }
        let id = try Identifier.uuid()
        guard let entry = try await storing({ try await credit.add(id, cents: cents, note: note, to: account) }) else {
            throw .notFound
        }
        return entry
    }

    package func topupWish(of account: AccountID) async throws(ControlError) -> CreditRepository.TopupWish? {
        try await storing { try await credit.topupWish(of: account) }
    }

    /// Notes when an account wants its credit raised.
    package func setTopupWish(
        _ body: JSONValue, of account: AccountID
    ) async throws(ControlError) -> CreditRepository.TopupWish {
        var reader = FieldReader(body)
        reader.refuseOthers(than: ["amount", "threshold"])
        let amount = reader.requiredInteger("amount", in: Self.leastTopup...Self.largest)
        let threshold = reader.requiredInteger("threshold", in: Self.leastThreshold...Self.largest)
        try reader.finish()
        let wish = CreditRepository.TopupWish(amountCents: amount, thresholdCents: threshold)
        try await storing { try await credit.setTopupWish(wish, of: account) }
        return wish
    }

    package func clearTopupWish(of account: AccountID) async throws(ControlError) {
        try await storing { try await credit.setTopupWish(nil, of: account) }
    }

    /// There is nothing that could be charged: a sound request for a top-up is refused, like any other.
    package func refuseTopup(_ body: JSONValue) throws(ControlError) {
        var reader = FieldReader(body)
        reader.refuseOthers(than: ["amount", "payment_method_id"])
        _ = reader.requiredInteger("amount", in: Self.leastTopup...Self.largest)
        var method: String?
        reader.string("payment_method_id", lengths: 0...256, into: &method)
        try reader.finish()
        throw .billing(.noManualTopup)
    }

    /// No top-up is ever under way.
    package func topupStatus(_ body: JSONValue) throws(ControlError) {
        var reader = FieldReader(body)
        reader.refuseOthers(than: ["payment_intent_id"])
        _ = reader.requiredString("payment_intent_id", lengths: 1...256)
        try reader.finish()
        throw .notFound
    }

    /// Limits of this kind were given up; `spend_limits` of gateways are in their place.
    package func refuseSpendingLimit(_ body: JSONValue) throws(ControlError) {
        enum Duration: String, CaseIterable { case daily, weekly, monthly }
        enum Strategy: String, CaseIterable { case fixed, sliding }
        var reader = FieldReader(body)
        reader.refuseOthers(than: ["amount", "duration", "strategy"])
        _ = reader.requiredInteger("amount", in: Self.leastSpendingLimit...Self.largest)
        var duration: Duration?
        reader.choice("duration", .required, into: &duration)
        var strategy: Strategy?
        reader.choice("strategy", .required, into: &strategy)
        try reader.finish()
        throw .billing(.spendingLimitsGone)
    }

    /// What an account's requests cost by day or hour; without bounds the last 30 days.
    package func usage(
        of account: AccountID, by grouping: CreditRepository.Grouping, from start: Instant?, to end: Instant?
    ) async throws(ControlError) -> [CreditRepository.Usage] {
        let end = end ?? clock.now
        let start = start ?? Instant(microseconds: end.microseconds - 30 * Self.day)
        let span = end.microseconds.subtractingReportingOverflow(start.microseconds)
        guard !span.overflow, span.partialValue <= Self.historyLimit * Self.day else {
            throw .invalid([
                FieldProblem(["query", "start_time"], "A history covers at most \(Self.historyLimit) days")
            ])
        }
        return try await storing { try await credit.usage(of: account, by: grouping, from: start, to: end) }
    }

    /// What the present month of UTC has cost so far.
    package func presentMonth(
        of account: AccountID
    ) async throws(ControlError) -> (start: Instant, end: Instant, cents: [CreditRepository.Usage]) {
        let now = Timestamp.text(clock.now)
        guard let start = Timestamp.instant(String(now.prefix(8)) + "01") else {
            throw .internalFailure("the present month has no first day")
        }
        // The first day of the month that has the 32nd day after the first.
        let later = Timestamp.text(Instant(microseconds: start.microseconds + 32 * Self.day))
        guard let end = Timestamp.instant(String(later.prefix(8)) + "01") else {
            throw .internalFailure("the next month has no first day")
        }
        let usage = try await storing { try await credit.usage(of: account, by: .day, from: start, to: end) }
        return (start, end, usage)
    }
}
