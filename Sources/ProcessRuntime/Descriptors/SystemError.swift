import Glibc

/// A system call that failed: which one, and the error number it gave.
package struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
    package var call: String
    package var code: Int32

    package init(_ call: String, code: Int32) {
        self.call = call
        self.code = code
    }

    package var description: String { "\(call): \(Self.text(code))" }

    /// The system's words for an error number.
    package static func text(_ code: Int32) -> String {
        unsafe strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
    }

    /// Passes results of the C shim through, whose failures are negative error numbers.
    static func check(_ result: Int32, _ call: String) throws(SystemError) -> Int32 {
        guard result >= 0 else { throw SystemError(call, code: -result) }
        return result
    }
}
