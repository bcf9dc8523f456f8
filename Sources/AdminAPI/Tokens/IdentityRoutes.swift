import ControlPlane
import GatewayCore
import PostgresStore

/// What a caller is told about itself: its token and its account.
extension AdminRoutes {
    var identityTable: [AdminRoute] {
        let verification = Schema.object([
            "id": .string, "status": .words(["active", "disabled", "expired"]), "not_before?": .time,
            "expires_on?": .time,
        ]).named("TokenVerification")
        let account = Schema.object(["id": .string, "name": .string, "type": .string]).named("Account")
        let user = Schema.object(["id": .string, "email": .string]).named("User")
        let membership = Schema.object(["id": .string, "status": .string, "account": account])
        return [
            AdminRoute(
                "GET", "/user/tokens/verify", "Says whether the token is in use.", .anyToken,
                answer: .result(verification)
            ) { try await verifyToken($0) },
            AdminRoute(
                "GET", Self.account + "/tokens/verify", "Says whether the token is in use.", .anyToken,
                answer: .result(verification)
            ) { try await verifyToken($0) },
            AdminRoute(
                "GET", "/user", "Shows the token as a user.", .anyToken, answer: .result(user)
            ) { try await getUser($0) },
            AdminRoute(
                "GET", "/accounts", "Lists the token's account.", .anyToken, query: .pages(1...1000),
                answer: .list(account)
            ) { try await listAccounts($0) },
            AdminRoute("GET", Self.account, "Shows the token's account.", .anyToken, answer: .result(account)) {
                try await getAccount($0)
            },
            AdminRoute(
                "GET", "/memberships", "Lists the token's account as a membership.", .anyToken,
                query: .pages(1...1000), answer: .list(membership)
            ) { try await listMemberships($0) },
        ]
    }

    /// Tells a caller about its own token (control-plane.md §14 · documented).
    func verifyToken(_ call: AdminCall) async throws -> AdminAnswer {
        var result = [
            JSONValue.Member("id", .string(call.token.id.rawValue)),
            .init("status", .string(APIToken.Status.active.rawValue)),
            .init("not_before", .string(Timestamp.text(call.token.notBefore ?? call.token.createdAt))),
        ]
        if let expiresAt = call.token.expiresAt {
            result.append(.init("expires_on", .string(Timestamp.text(expiresAt))))
        }
        return Envelope.success(
            .object(result),
            messages: [["code": 10000, "message": "This API Token is valid and active", "type": nil]]
        )
    }

    /// Tokens are all the users there are; the address is one that nothing can be sent to.
    func getUser(_ call: AdminCall) async throws -> AdminAnswer {
        let id = call.token.id.rawValue
        return Envelope.success(["id": .string(id), "email": .string("\(id)@\(call.token.account).invalid")])
    }

    /// The one account a token belongs to, for clients that look for it.
    func listAccounts(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 1...1000)
        let items = request.number == 1 ? [account(of: call)] : []
        return Envelope.success(.array(items), info: PageQuery.info(Page(items: items, total: 1), request))
    }

    func getAccount(_ call: AdminCall) async throws -> AdminAnswer { Envelope.success(account(of: call)) }

    func listMemberships(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 1...1000)
        let membership: JSONValue = [
            "id": .string(call.token.id.rawValue), "status": "accepted", "account": account(of: call),
        ]
        let items = request.number == 1 ? [membership] : []
        return Envelope.success(.array(items), info: PageQuery.info(Page(items: items, total: 1), request))
    }

    private func account(of call: AdminCall) -> JSONValue {
        ["id": .string(call.account.rawValue), "name": .string(call.account.rawValue), "type": "standard"]
    }
}
