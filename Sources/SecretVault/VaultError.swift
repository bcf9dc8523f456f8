/// Why a secret could not be sealed or opened.
///
/// Carries no part of the secret.
package enum VaultError: Error, Sendable, Equatable {
    /// The operating system gave no random bytes.
    case noRandomness
    /// The cryptographic library refused an operation on well-formed input.
    case operationFailed
    /// A master key that is not 32 bytes long.
    case masterKeyLength(Int)
    /// The envelope has a form that this version does not know.
    case unknownEnvelope
    /// The envelope was sealed under another master key.
    case otherMasterKey
    /// The envelope was changed, or belongs to another account or secret.
    case notAuthentic
}
