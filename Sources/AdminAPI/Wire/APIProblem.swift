import ControlPlane
import PostgresStore

/// An error answer of the management API (control-plane.md §1.6).
package struct APIProblem: Error, Sendable, Equatable {
    /// One member of `errors`.
    package struct Entry: Sendable, Equatable {
        package var code: Int
        package var message: String
        package var path: [String]?
        /// Code and message of what lies behind, for malformed headers.
        package var chain: [Chained] = []
    }

    /// One member of `error_chain`.
    package struct Chained: Sendable, Equatable {
        package var code: Int
        package var message: String
    }

    package var status: Int
    package var entries: [Entry]
    package var headers: [String: String] = [:]

    init(_ status: Int, _ code: Int, _ message: String, path: [String]? = nil) {
        self.status = status
        entries = [Entry(code: code, message: message, path: path)]
    }

    /// 400/7001 for one field.
    static func invalid(_ path: [String], _ message: String) -> APIProblem {
        APIProblem(400, 7001, message, path: path)
    }

    static var notFound: APIProblem { APIProblem(404, 7002, "Not Found") }

    /// A path that no route has, or an id that cannot be one.
    /// - Source: control-plane §1.6 · observed: both entries together.
    static func noRoute(_ path: String) -> APIProblem {
        var problem = APIProblem(
            404, 7003, "Could not route to \(path), perhaps your object identifier is invalid?"
        )
        problem.entries.append(Entry(code: 7000, message: "No route for that URI"))
        return problem
    }

    static func methodNotAllowed(_ allowed: [String]) -> APIProblem {
        var problem = APIProblem(405, 10405, "Method not allowed")
        problem.headers["allow"] = allowed.joined(separator: ", ")
        return problem
    }

    /// 401 without usable credentials, 403 without the right to do it.
    static func authentication(_ status: Int) -> APIProblem { APIProblem(status, 10000, "Authentication error") }

    static var invalidToken: APIProblem { APIProblem(401, 1000, "Invalid API Token") }

    /// - Source: control-plane §1.6 · observed.
    static var malformedCredentials: APIProblem {
        var problem = APIProblem(400, 6003, "Invalid request headers")
        problem.entries[0].chain = [Chained(code: 6111, message: "Invalid format for Authorization header")]
        return problem
    }

    /// Global and service keys are not supported (decisions 27).
    static var legacyCredentials: APIProblem {
        APIProblem(403, 9103, "Unknown X-Auth-Key or X-Auth-Email: only API tokens are supported")
    }

    /// - Parameter seconds: until the next call is let in.
    static func tooManyCalls(retryAfter seconds: Int) -> APIProblem {
        var problem = APIProblem(429, 10429, "Too many calls of the management API; try again later")
        problem.headers["retry-after"] = String(seconds)
        return problem
    }

    static var tooManyReaders: APIProblem {
        var problem = APIProblem(429, 10429, "Too many reads of this account wait for the database; try again later")
        problem.headers["retry-after"] = "1"
        return problem
    }

    static var bodyTooLarge: APIProblem { APIProblem(413, 7001, "Request body is too large", path: ["body"]) }

    static var storeUnavailable: APIProblem {
        var problem = APIProblem(503, 7000, "The database is unavailable; nothing was changed. Try again shortly")
        problem.headers["retry-after"] = "1"
        return problem
    }

    static var internalFailure: APIProblem { APIProblem(500, 7000, "Internal Error") }
}

extension APIProblem {
    init(_ error: ControlError) {
        switch error {
        case .invalid(let problems):
            self.init(400, 7001, "Input Validation Error")
            entries = problems.map { Entry(code: 7001, message: $0.message, path: $0.path) }
        case .notFound: self = .notFound
        case .forbidden: self = .authentication(403)
        case .secretsStore(let problem): self.init(problem)
        case .dynamicRoute(let refusal):
            switch refusal {
            case .nameTaken:
                self.init(400, 7005, "Route already exists", path: ["body", "name"])
            case .noSuchVersion: self.init(404, 7005, "Version not found")
            case .noSuchRoute, .noSuchGateway, .routesExceeded: self.init(404, 7005, "Route not found")
            }
        case .billing(.noManualTopup): self.init(400, 1000, "NO_MANUAL_TOPUP")
        case .billing(.spendingLimitsGone):
            self.init(403, 7004, "Spending limits are deprecated; use spend_limits of a gateway")
        case .tooManyReaders: self = .tooManyReaders
        case .storeUnavailable: self = .storeUnavailable
        case .internalFailure: self = .internalFailure
        }
    }
}
