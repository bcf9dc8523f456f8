import PostgresStore

/// Why the Secrets Store did not do what it was asked (control-plane.md §13.4).
package enum SecretsStoreProblem: Sendable, Equatable {
    case storeNotFound
    case secretNotFound
    case storeNameEmpty
    case storeNameInvalid
    case storeNameTaken
    case storeNotEmpty
    case storesExceeded
    case secretNameEmpty
    case secretNameInvalid
    case secretNameTaken
    case secretScopesEmpty
    case secretScopeInvalid
    case secretValueEmpty
    case secretValueTooLong
    case secretCommentTooLong
    case secretsExceeded
    /// The value is a reference that is malformed or not allowed; the text says what to do.
    case referenceRefused(String)
    /// The body is no JSON, or not of the form that is asked for.
    case invalidBody

    init(_ refusal: SecretStoreRefusal) {
        self =
            switch refusal {
            case .noSuchStore: .storeNotFound
            case .noSuchSecret: .secretNotFound
            case .storeNameTaken: .storeNameTaken
            case .secretNameTaken: .secretNameTaken
            case .storesExceeded: .storesExceeded
            case .secretsExceeded: .secretsExceeded
            case .storeNotEmpty: .storeNotEmpty
            }
    }

    init(_ problem: SecretSealer.Problem) {
        self =
            switch problem {
            case .empty: .secretValueEmpty
            case .tooLong: .secretValueTooLong
            case .reference(let advice): .referenceRefused(advice)
            }
    }
}
