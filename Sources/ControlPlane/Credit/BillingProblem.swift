/// Why billing did not do what it was asked (control-plane.md §1.6 · observed).
package enum BillingProblem: Sendable, Equatable {
    /// There is no means of payment.
    case noManualTopup
    /// Replaced by the spend limits of gateways.
    case spendingLimitsGone
}
