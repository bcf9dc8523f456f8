import GatewayCore
import Providers

/// A credential that is made for each call out of a key that never leaves: a signature, or an access token.
final class DerivedCredential: Sendable {
    /// The key's document; a secret of the account or of the client.
    let document: Secret<String>
    let provider: ProviderDefinition
    let target: UpstreamTarget

    /// Nil for a key that is sent as it is.
    init?(_ key: Secret<String>, _ provider: ProviderDefinition, _ target: UpstreamTarget) {
        guard let scheme = provider.credential.derivation.scheme, let document = scheme.document(in: key) else {
            return nil
        }
        self.document = document
        self.provider = provider
        self.target = target
    }

    /// Whether the credential depends on the bytes of the body.
    var coversBody: Bool {
        if case .signed = provider.credential.derivation { return true }
        return false
    }
}
