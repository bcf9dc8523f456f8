import PostgresStore

/// Runs a use case's database work and tells the store's failures in the control plane's terms.
///
/// Two writers that met are tried again: nothing of the failed attempt remains.
func storing<T: Sendable>(_ body: () async throws -> T) async throws(ControlError) -> T {
    var attempt = 0
    while true {
        attempt += 1
        do {
            return try await body()
        } catch let error as ControlError {
            throw error
        } catch let error as PostgresError {
            if error.isTransient, attempt < 4 { continue }
            throw ControlError(error)
        } catch {
            throw .internalFailure("\(error)")
        }
    }
}

extension ControlError {
    init(_ error: PostgresError) {
        if error.isUnavailable || error.kind == .cancelled || error.isTransient {
            self = .storeUnavailable
        } else if error.sqlState?.hasPrefix("22") == true || error.isCheckViolation {
            // A value that passed our checks but that the server cannot hold, for example a zero character in JSON.
            self = .invalid([FieldProblem(["body"], "A value cannot be stored")])
        } else {
            self = .internalFailure(error.description)
        }
    }
}
