package import GatewayCore

/// A store of secrets in an account (control-plane.md §13.1).
package struct SecretStore: Sendable, Equatable {
    package var id: StoreID
    package var account: AccountID
    package var name: String
    package var createdAt: Instant
    package var modifiedAt: Instant

    package init(id: StoreID, account: AccountID, name: String, createdAt: Instant, modifiedAt: Instant) {
        self.id = id
        self.account = account
        self.name = name
        self.createdAt = createdAt
        self.modifiedAt = modifiedAt
    }
}

/// What is told about a secret: everything but its value (control-plane.md §13.2).
package struct StoredSecret: Sendable, Equatable {
    package var id: SecretID
    package var account: AccountID
    package var store: StoreID
    package var name: String
    package var comment: String?
    /// Alphabetical.
    package var scopes: [String]
    /// `pending`, `active` or `deleted`.
    package var status: String
    package var kind: SecretKind
    package var createdAt: Instant
    package var modifiedAt: Instant
}

/// What the sealed text of a secret is.
package enum SecretKind: String, Sendable, CaseIterable {
    /// The value itself.
    case value
    /// The name of a place outside where the value is found.
    case reference
}

/// A sealed text, as it replaces or becomes the content of a secret.
package struct SealedText: Sendable {
    /// Produced and opened by `SecretVault` only.
    package var envelope: [UInt8]
    package var kind: SecretKind
    /// A masked tail of a value; only the mask for a reference.
    package var preview: String

    package init(envelope: [UInt8], kind: SecretKind, preview: String) {
        self.envelope = envelope
        self.kind = kind
        self.preview = preview
    }
}

/// A secret that is to be stored: the value is sealed already.
package struct NewSecret: Sendable {
    package var id: SecretID
    package var name: String
    package var scopes: [String]
    package var comment: String?
    package var text: SealedText

    package init(id: SecretID, name: String, scopes: [String], comment: String? = nil, text: SealedText) {
        self.id = id
        self.name = name
        self.scopes = scopes
        self.comment = comment
        self.text = text
    }
}

/// Why the secrets store did not do what it was asked.
package enum SecretStoreRefusal: Error, Sendable, Equatable {
    case noSuchStore
    case noSuchSecret
    case storeNameTaken
    case secretNameTaken
    case storesExceeded
    case secretsExceeded
    case storeNotEmpty
}

/// What a list of secrets shows, and in which order.
package struct SecretQuery: Sendable {
    /// What the rows are ordered by.
    package enum Order: String, Sendable, CaseIterable { case name, comment, created, modified, status }

    package var order: Order
    package var direction: SortDirection
    /// Only secrets with at least one of these; empty: all.
    package var scopes: [String]
    /// A part of the name or the comment, in any case.
    package var search: String?

    package init(
        order: Order = .name, direction: SortDirection = .asc, scopes: [String] = [], search: String? = nil
    ) {
        self.order = order
        self.direction = direction
        self.scopes = scopes
        self.search = search
    }
}

/// What a list of stores is ordered by.
package enum SecretStoreOrder: String, Sendable, CaseIterable { case name, created, modified }

/// Which way a list runs.
package enum SortDirection: String, Sendable, CaseIterable {
    case asc, desc

    var sql: StaticString {
        switch self {
        case .asc: " ASC NULLS FIRST"
        case .desc: " DESC NULLS LAST"
        }
    }
}
