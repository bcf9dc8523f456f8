import ControlPlane
import GatewayCore
import PostgresStore

/// Tokens of an account, at the account's and at the user's address (control-plane.md §14 · documented).
extension AdminRoutes {
    var tokenTable: [AdminRoute] { tokenTable(Self.account + "/tokens") + tokenTable("/user/tokens") }

    private func tokenTable(_ list: String) -> [AdminRoute] {
        let one = list + "/{token_id}"
        let token = TokenSchema.token
        return [
            AdminRoute(
                "GET", list, "Lists tokens without their values.",
                query: .pages() + [
                    .init("direction", .words(["asc", "desc"])), .init("include_expired", .boolean),
                ], answer: .list(token)
            ) { try await listTokens($0) },
            AdminRoute(
                "POST", list, "Makes a token and tells its value, once.", body: TokenSchema.creation,
                answer: .result(TokenSchema.made)
            ) { try await createToken($0) },
            AdminRoute(
                "GET", list + "/permission_groups", "Lists what tokens can be allowed.",
                query: [.init("name", .string), .init("scope", .string)],
                answer: .result(.array(of: TokenSchema.group))
            ) { try await listPermissionGroups($0) },
            AdminRoute("GET", one, "Shows a token without its value.", answer: .result(token)) {
                try await getToken($0)
            },
            AdminRoute("PUT", one, "Changes a token.", body: TokenSchema.change, answer: .result(token)) {
                try await updateToken($0)
            },
            AdminRoute(
                "DELETE", one, "Takes a token out of use for good.", answer: .result(.object(["id": .string]))
            ) { try await deleteToken($0) },
            AdminRoute(
                "PUT", one + "/value", "Gives a token another value and tells it, once.", body: .object,
                answer: .result(.string)
            ) { try await rollToken($0) },
        ]
    }

    func listTokens(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 1...100)
        let page = try await tokenUseCases.list(
            of: call.account, try PageQuery.bool(call.query, "include_expired") ?? false ? .included : .left,
            direction: try PageQuery.choice(call.query, "direction", SortDirection.self) ?? .asc, page: request
        )
        let now = clock.now
        return Envelope.success(.array(page.items.map { $0.document(at: now) }), info: PageQuery.info(page, request))
    }

    func createToken(_ call: AdminCall) async throws -> AdminAnswer {
        let made = try await tokenUseCases.create(try call.document(), of: call.account, by: call.token)
        let members = made.token.document(at: clock.now).members ?? []
        return await changed(
            .object(members + [.init("value", .string(made.text.reveal()))]), version: made.version
        )
    }

    func listPermissionGroups(_ call: AdminCall) async throws -> AdminAnswer {
        let name = try PageQuery.text(call.query, "name")
        let scope = try PageQuery.text(call.query, "scope")
        let groups = PermissionGroup.all.filter {
            (name ?? $0.name) == $0.name && (scope ?? PermissionGroup.scope) == PermissionGroup.scope
        }
        return Envelope.success(.array(groups.map { $0.document(for: call.token) }))
    }

    func getToken(_ call: AdminCall) async throws -> AdminAnswer {
        Envelope.success(try await tokenUseCases.get(call.tokenID, of: call.account).document(at: clock.now))
    }

    func updateToken(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await tokenUseCases.update(
            call.tokenID, of: call.account, try call.document(), by: call.token
        )
        return await changed(written.value.document(at: clock.now), version: written.version)
    }

    func deleteToken(_ call: AdminCall) async throws -> AdminAnswer {
        let version = try await tokenUseCases.revoke(call.tokenID, of: call.account)
        return await changed(["id": .string(call.tokenID.rawValue)], version: version)
    }

    func rollToken(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await tokenUseCases.roll(call.tokenID, of: call.account, by: call.token)
        return await changed(.string(written.value.reveal()), version: written.version)
    }
}

extension AdminCall {
    fileprivate var tokenID: TokenID { TokenID(parameter("token_id")) }
}
