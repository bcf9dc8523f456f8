package import GatewayCore

/// A provider that an account defined itself, as it is stored (control-plane.md §8.1).
package struct AccountProvider: Sendable, Equatable {
    /// A UUID.
    package var id: String
    package var account: AccountID
    package var settings: AccountProviderSettings
    /// Part of every cache key of this provider; grows with every change.
    package var cacheEpoch: Int
    package var createdAt: Instant
    package var modifiedAt: Instant
}

/// What may be set on an account's own provider; nil is the wire's null.
package struct AccountProviderSettings: Sendable, Equatable {
    package var name: String
    /// Without the `custom-` that stands before it in URLs.
    package var slug: String
    package var baseURL: String
    /// A disabled provider cannot be called.
    package var isEnabled = false
    package var isBeta = false
    package var description: String?
    package var link: String?
    package var curlExample: String?
    package var jsExample: String?
    package var logo: String?
    /// Where it stands in lists; those without one come last.
    package var position: Int?
    package var headers: SealedHeaders?

    package init(name: String, slug: String, baseURL: String) {
        self.name = name
        self.slug = slug
        self.baseURL = baseURL
    }
}

/// Header fields that may hold credentials: sealed, with what may be shown of them.
package struct SealedHeaders: Sendable, Equatable {
    package var envelope: [UInt8]
    /// Names without values.
    package var preview: String

    package init(envelope: [UInt8], preview: String) {
        self.envelope = envelope
        self.preview = preview
    }
}
