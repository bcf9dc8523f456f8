package import GatewayCore

/// On whose behalf a provider is called, as far as the sharing of answers is concerned.
///
/// - Source: data-plane §4.1: a stored key counts by its id, not by its value · assumed
package enum CredentialIdentity: Sendable {
    /// The provider is called without a credential.
    case none
    /// The credential that the request itself carries, byte by byte: it need not be text.
    case request(Secret<[UInt8]>)
    case stored(SecretID)
}
