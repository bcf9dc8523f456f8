package import ExternalSecrets
import GatewayCore
import PostgresStore
package import SecretVault

/// Turns what a caller gives as a secret's value into what is stored: sealed, and told apart from a reference.
package struct SecretSealer: Sendable {
    /// Bytes of a secret's value (control-plane.md §13.2).
    package static let maximumValue = 65_536

    let vault: Vault
    private let rules: ReferenceRules

    /// - Parameter rules: where secrets may point to.
    package init(vault: Vault, rules: ReferenceRules) {
        self.vault = vault
        self.rules = rules
    }

    /// A text whose form was checked, and what it is.
    struct Checked {
        fileprivate var text: String
        fileprivate var kind: SecretKind

        /// The text in its usual form, where it names a place outside; nil for a value.
        var reference: String? { kind == .reference ? text : nil }
    }

    /// Why a text cannot be the value of a secret.
    enum Problem: Error, Equatable {
        case empty
        case tooLong
        /// It begins like a reference and is none, or points where the operator lets none point.
        case reference(String)
    }

    /// Reads `env:`, `file:` and `vault:` references; `literal:` before anything makes it a value.
    func check(_ text: String) throws(Problem) -> Checked { try Self.check(text, rules) }

    /// The same without a vault.
    static func check(_ text: String, _ rules: ReferenceRules) throws(Problem) -> Checked {
        if text.isEmpty { throw .empty }
        if text.utf8.count > maximumValue { throw .tooLong }
        if text.hasPrefix(SecretReference.literalPrefix) {
            let value = String(text.dropFirst(SecretReference.literalPrefix.count))
            if value.isEmpty { throw .empty }
            return Checked(text: value, kind: .value)
        }
        let reference: SecretReference?
        do throws(SecretReference.Malformed) { reference = try SecretReference(text) } catch {
            throw .reference(error.expectation + "; for a value that begins so, put literal: before it")
        }
        guard let reference else { return Checked(text: text, kind: .value) }
        guard rules.allow(reference) else {
            throw .reference(
                "secrets.references of the daemon does not allow this reference; "
                    + "for a value that begins so, put literal: before it"
            )
        }
        return Checked(text: reference.text, kind: .reference)
    }

    func seal(_ checked: Checked, id: SecretID, of account: AccountID) throws(ControlError) -> SealedText {
        do {
            return SealedText(
                envelope: try vault.seal(Secret(Array(checked.text.utf8)), account: account, secretID: id),
                kind: checked.kind, preview: checked.kind == .value ? Self.preview(of: checked.text) : Secret.mask
            )
        } catch {
            throw .internalFailure("a secret could not be sealed")
        }
    }

    /// Seals the content of one secret for another one.
    func reseal(
        _ text: SealedText, of id: SecretID, for other: SecretID, in account: AccountID
    ) throws(ControlError) -> SealedText {
        do {
            let content = try vault.open(text.envelope, account: account, secretID: id)
            var copy = text
            copy.envelope = try vault.seal(content, account: account, secretID: other)
            return copy
        } catch {
            throw .internalFailure("secret \(id) could not be opened: \(error)")
        }
    }

    /// An id of 32 hexadecimal characters.
    static func identifier() throws(ControlError) -> String {
        do { return try RandomBytes.hexadecimal(bytes: 16) } catch { throw .internalFailure("no random bytes") }
    }

    /// The last four characters behind a mask; of short values only the mask.
    static func preview(of value: String) -> String {
        value.unicodeScalars.count >= 16 ? Secret.mask + value.suffix(4) : Secret.mask
    }
}
