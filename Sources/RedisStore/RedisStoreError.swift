/// Why Redis could not be reached or understood.
package struct RedisStoreError: Error, Sendable, Equatable, CustomStringConvertible {
    /// For the process log and `/readyz`; holds no credential.
    package var reason: String

    package init(_ reason: String) { self.reason = reason }
    package var description: String { reason }
}
