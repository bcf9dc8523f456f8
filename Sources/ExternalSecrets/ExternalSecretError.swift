/// Why a value could not be read from outside; never holds any of it.
package enum ExternalSecretError: Error, Sendable, Equatable, CustomStringConvertible {
    /// It is known not to be there, so that a former value is no longer valid.
    case gone(String)
    /// It cannot be told now; a former value stays in use.
    case unavailable(String)

    package var description: String {
        switch self {
        case .gone(let reason), .unavailable(let reason): reason
        }
    }
}
