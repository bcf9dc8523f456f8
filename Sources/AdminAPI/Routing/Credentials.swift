import GatewayCore

/// The credential that a call carries (control-plane.md §1.2 · documented; decisions 27).
enum Credentials {
    /// The bearer token of a call.
    static func token(of request: AdminRequest) throws(APIProblem) -> Secret<String> {
        guard let header = request.header("authorization") else {
            for legacy in ["x-auth-key", "x-auth-email", "x-auth-user-service-key"] where request.header(legacy) != nil
            {
                throw .legacyCredentials
            }
            throw .authentication(401)
        }
        let parts = header.split(separator: " ", omittingEmptySubsequences: true)
        guard parts.count == 2, parts[0].lowercased() == "bearer",
            parts[1].utf8.allSatisfy({ (0x21...0x7e).contains($0) }), parts[1].utf8.count <= 4096
        else { throw .malformedCredentials }
        return Secret(String(parts[1]))
    }
}
