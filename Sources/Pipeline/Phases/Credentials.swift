import GatewayCore

/// A token's rights by reference: every request points at them.
final class Granted: Sendable {
    let grant: TokenGrant
    init(_ grant: TokenGrant) { self.grant = grant }

    func isValid(for account: AccountID, at now: Instant) -> Bool {
        guard grant.account == account, grant.permissions.allowsDataPlane else { return false }
        if let start = grant.notBefore, now < start { return false }
        guard let expiry = grant.expiresAt else { return true }
        return now < expiry
    }
}

/// The credentials of a request, sorted.
final class Credentials: Sendable {
    /// The same while it is being put together.
    struct Sorting {
        var grants: [Granted] = []
        var withheld: [Int] = []
        var providerKey: Secret<String>?
        var providerKeyFields: [Int] = []
        var tokens: [Range<Int>] = []
        var withheldQueryKeys: [String] = []
        var hasQueryKey = false
    }

    private let grants: [Granted]
    let withheld: [Int]
    let providerKey: Secret<String>?
    let providerKeyFields: [Int]
    let tokens: [Range<Int>]
    let withheldQueryKeys: [String]
    let hasQueryKey: Bool

    init(_ found: Sorting) {
        grants = found.grants
        withheld = found.withheld
        providerKey = found.providerKey
        providerKeyFields = found.providerKeyFields
        tokens = found.tokens
        withheldQueryKeys = found.withheldQueryKeys
        hasQueryKey = found.hasQueryKey
    }

    /// The first gateway credential that counts for an account now.
    func granted(for account: AccountID, at now: Instant) -> Granted? {
        for granted in grants where granted.isValid(for: account, at: now) { return granted }
        return nil
    }
}
