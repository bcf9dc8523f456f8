import ProcessRuntime

/// Why a supervisor cannot start, or gives up; its message is for the operator.
package struct SupervisorError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The exit code, in the terms of sysexits.h.
    package enum Kind: Int32, Sendable {
        case unavailable = 69
        case software = 70
        case system = 71
        case configuration = 78
    }

    package var kind: Kind
    package var message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    init(_ error: SystemError) { self.init(.system, error.description) }

    package var description: String { message }
}
