package import PostgresStore

/// Why a use case of the control plane did not happen.
package enum ControlError: Error, Sendable, Equatable {
    /// What the caller sent breaks the schema; one entry per field.
    case invalid([FieldProblem])
    /// The addressed object does not exist in this account.
    case notFound
    /// The caller's token does not allow as much as the call would give away.
    case forbidden
    /// The Secrets Store refuses, in its own terms.
    case secretsStore(SecretsStoreProblem)
    /// A dynamic route, or a version of it, is missing or has a name that is taken.
    case dynamicRoute(DynamicRouteRefusal)
    /// Billing refuses, in its own terms.
    case billing(BillingProblem)
    /// The account reads so much that nobody else of it can wait; trying again later helps.
    case tooManyReaders
    /// PostgreSQL cannot be reached; nothing was changed.
    case storeUnavailable
    /// Our own fault; the text is for the process log only.
    case internalFailure(String)
}

/// One field that breaks the schema.
package struct FieldProblem: Sendable, Equatable {
    /// Where the field was: first `body`, `query` or `params`, then names and indices.
    package var path: [String]
    package var message: String
    package init(_ path: [String], _ message: String) {
        self.path = path
        self.message = message
    }
}
