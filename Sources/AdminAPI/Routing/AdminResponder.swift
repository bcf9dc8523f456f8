package import ControlPlane
package import GatewayCore
import PostgresStore

/// The management API: finds the route of a call, checks the caller's right to it, and answers in the v4 envelope.
///
/// A path without a route is 404 and a route without a matching right is refused: nothing is open by default.
package struct AdminResponder: Sendable {
    /// Larger bodies are refused.
    package static let maximumBody = 1 << 20
    private static let prefix = "/client/v4"

    private let routes: [AdminRoute]
    private let tokens: TokenAdministration
    /// Nil: any number of calls.
    private let quota: CallQuota?
    private let report: @Sendable (String) -> Void

    /// - Parameters:
    ///   - callsPerFiveMinutes: of each token on this node; 0: no limit.
    ///   - report: takes what went wrong inside, for the process log.
    package init(
        routes: [AdminRoute], tokens: TokenAdministration, callsPerFiveMinutes: Int = 0, clock: any WallClock,
        report: @escaping @Sendable (String) -> Void
    ) {
        quota = CallQuota(quota: callsPerFiveMinutes, clock: clock)
        // More literals first, so that `costs` is not taken for somebody's id.
        self.routes = routes.sorted { $0.literals > $1.literals }
        self.tokens = tokens
        self.report = report
    }

    package func respond(to request: AdminRequest) async -> AdminAnswer {
        var standing: CallQuota.Standing?
        var result = await respond(to: request, &standing)
        if let standing {
            result.headers += [
                ("ratelimit", "\"default\";r=\(standing.left);t=\(standing.reset)"),
                ("ratelimit-policy", "\"default\";q=\(standing.quota);w=\(CallQuota.windowSeconds)"),
            ]
        }
        return result
    }

    /// - Parameter standing: what is left of the caller's quota, when calls are counted and the caller is known.
    private func respond(to request: AdminRequest, _ standing: inout CallQuota.Standing?) async -> AdminAnswer {
        var none: JSONValue = [:]
        do {
            return try await answer(request, &standing, &none)
        } catch let problem as APIProblem {
            return Envelope.failure(problem, result: none)
        } catch let error as ControlError {
            if case .internalFailure(let detail) = error { report(detail) }
            return Envelope.failure(APIProblem(error), result: none)
        } catch {
            report("\(error)")
            return Envelope.failure(.internalFailure, result: none)
        }
    }

    /// - Parameter none: what an error of the route that was found has for a result.
    private func answer(
        _ request: AdminRequest, _ standing: inout CallQuota.Standing?, _ none: inout JSONValue
    ) async throws -> AdminAnswer {
        let path = Self.withoutPrefix(request.path)
        let segments = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .map { PercentDecoding.segment($0) }
        // The text before the first slash is nothing; one slash at the end is tolerated.
        let parts = Array(segments.dropFirst().dropLast(segments.count > 2 && segments.last == "" ? 1 : 0))
        let matches = routes.compactMap { route in route.match(parts).map { (route, $0) } }
        guard !matches.isEmpty else { throw APIProblem.noRoute(path) }
        guard let (route, parameters) = matches.first(where: { $0.0.method == request.method }) else {
            throw APIProblem.methodNotAllowed(matches.map(\.0.method))
        }
        none = route.resultOfErrors
        for (name, value) in parameters {
            let isPlausible =
                name == "account_id"
                ? AccountID.isWellFormed(value.utf8)
                : (1...256).contains(value.utf8.count) && !value.utf8.contains(0)
            guard isPlausible else { throw APIProblem.noRoute(path) }
        }
        guard case .call(let operation) = route.operation else { return try open(route) }
        let account = parameters["account_id"].map { AccountID($0) }
        let token = try await admit(request, to: route, account: account)
        standing = quota?.count(token.id)
        if let standing, standing.isExceeded { throw APIProblem.tooManyCalls(retryAfter: standing.reset) }
        guard request.body.count <= Self.maximumBody else { throw APIProblem.bodyTooLarge }
        let call = AdminCall(
            account: account ?? token.account, token: token, parameters: parameters,
            query: QueryItems(decoding: request.query), body: request.body
        )
        return try await ChangeAuthor.$current.withValue(.token(token.id, name: token.name)) {
            try await operation(call)
        }
    }

    /// The answer of a route that asks nobody who he is.
    private func open(_ route: AdminRoute) throws -> AdminAnswer {
        guard case .constant(let answer) = route.operation, route.requirement == .everyone else {
            throw APIProblem.authentication(401)
        }
        return answer
    }

    /// The caller's token, when it gives the right to use `route` in `account`.
    private func admit(
        _ request: AdminRequest, to route: AdminRoute, account: AccountID?
    ) async throws -> APIToken {
        let known = try await tokens.recognise(try Credentials.token(of: request))
        let isVerification = route.requirement == .anyToken
        guard let (token, isUsable) = known, isUsable else {
            throw isVerification ? APIProblem.invalidToken : APIProblem.authentication(401)
        }
        guard account == nil || account == token.account else {
            throw isVerification ? APIProblem.invalidToken : APIProblem.authentication(403)
        }
        // A route for everyone runs nothing on anybody's behalf.
        guard let needed = route.permissions, token.permissions.cover(needed) else {
            throw APIProblem.authentication(403)
        }
        return token
    }

    private static func withoutPrefix(_ path: String) -> String {
        guard path.hasPrefix(prefix + "/") else { return path }
        return String(path.dropFirst(prefix.count))
    }
}
