/// A setting that cannot be used; the process ends with exit status 78 (`EX_CONFIG`).
///
/// - Limit: the message names the key and what is accepted, never the value of a key that may hold a secret.
package struct SettingsError: Error, Equatable, CustomStringConvertible {
    /// One sentence for the operator.
    package var message: String

    package init(_ message: String) { self.message = message }
    package var description: String { message }
}
