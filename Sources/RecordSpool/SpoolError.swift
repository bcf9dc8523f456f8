import Glibc

/// Why the spool on disk cannot be used.
package struct SpoolError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was attempted, with the path.
    package var operation: String
    /// The system's error number.
    package var code: Int32

    package init(_ operation: String, code: Int32 = errno) {
        self.operation = operation
        self.code = code
    }

    package var description: String {
        let reason = strerror(code).map { String(cString: $0) } ?? "error \(code)"
        return "\(operation): \(reason)"
    }
}
