package import GatewayCore

/// What is made of a key that is more than the value of a header (providers.md §2.4, §2.5).
package enum CredentialDerivation: Sendable {
    /// Every key is written as it is.
    case none
    /// Each call is signed with the key right before it is sent.
    case signed(by: any RequestSigner)
    /// The key is exchanged for an access token, which is written in its place.
    case exchanged(by: any TokenExchange)

    package var scheme: (any CredentialScheme)? {
        switch self {
        case .none: nil
        case .signed(let signer): signer
        case .exchanged(let exchange): exchange
        }
    }
}

/// Reads keys that are documents.
package protocol CredentialScheme: Sendable {
    /// The document in a key, as JSON text; nil for a key that is sent as it is.
    ///
    /// Cheap: a document need not be sound to be one.
    func document(in key: Secret<String>) -> Secret<String>?
}
