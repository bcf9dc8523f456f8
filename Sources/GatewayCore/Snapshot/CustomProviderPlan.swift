/// A provider that an account defined itself, as far as the data plane acts on it (data-plane §3.4).
package struct CustomProviderPlan: Sendable, Equatable {
    package var account: AccountID
    /// Without the `custom-` that stands before it in URLs and model names.
    package var slug: String
    /// An absolute `https://` URL, with or without a path prefix, without a trailing slash.
    package var baseURL: String
    /// A disabled provider is not known to requests.
    package var isEnabled: Bool
    /// Part of every cache key of this provider; raised when its entries must be forgotten.
    package var cacheEpoch: UInt64
    /// Header fields that go with every call of it, as the sealed text of a JSON object; nil when there are none.
    package var headers: SealedSecret?
    /// What its models cost; the first that applies to a model counts.
    package var costs: [CustomCostRule] = []

    package init(account: AccountID, slug: String, baseURL: String, isEnabled: Bool, cacheEpoch: UInt64 = 0) {
        self.account = account
        self.slug = slug
        self.baseURL = baseURL
        self.isEnabled = isEnabled
        self.cacheEpoch = cacheEpoch
    }
}
