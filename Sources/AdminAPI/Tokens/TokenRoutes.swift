import ControlPlane
import GatewayCore
import PostgresStore

extension AdminRoutes {
    /// Tells a caller about its own token (control-plane.md §14 · documented).
    func verifyToken(_ call: AdminCall) async throws -> AdminAnswer {
        var result = [
            JSONValue.Member("id", .string(call.token.id.rawValue)),
            .init("status", .string(APIToken.Status.active.rawValue)),
            .init("not_before", .string(Timestamp.text(call.token.createdAt))),
        ]
        if let expiresAt = call.token.expiresAt {
            result.append(.init("expires_on", .string(Timestamp.text(expiresAt))))
        }
        return Envelope.success(
            .object(result),
            messages: [["code": 10000, "message": "This API Token is valid and active", "type": nil]]
        )
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
