import ControlPlane
import GatewayCore
import PostgresStore

/// Who changed what (control-plane.md §19 · observed).
extension AdminRoutes {
    var auditTable: [AdminRoute] {
        let times: [RouteDescription.Parameter] = [.init("since", .time), .init("before", .time)]
        return [
            AdminRoute(
                "GET", Self.account + "/logs/audit", "Lists changes of the account, going on from a cursor.",
                query: times + [
                    .init("limit", .integer(1...1000)), .init("cursor", .string), .init("action_type", .string),
                    .init("resource_type", .string), .init("resource_id", .string),
                    .init("actor_token_id", .string), .init("direction", .words(["asc", "desc"])),
                ],
                answer: .document(.object(["success": .boolean, "result": .array(of: .object)]))
            ) { try await auditLog($0) },
            AdminRoute(
                "GET", Self.account + "/audit_logs", "Lists changes of the account by page, in the older form.",
                query: .pages(1...1000) + times + [
                    .init("action.type", .string), .init("direction", .words(["asc", "desc"])),
                ], answer: .list(.object)
            ) { try await legacyAuditLog($0) },
        ]
    }

    func auditLog(_ call: AdminCall) async throws -> AdminAnswer {
        var selection = try Self.selection(call.query)
        selection.action = try PageQuery.text(call.query, "action_type")
        selection.resourceType = try PageQuery.text(call.query, "resource_type")
        selection.resource = try PageQuery.text(call.query, "resource_id")
        selection.author = try PageQuery.text(call.query, "actor_token_id")
        let limit = try PageQuery.integer(call.query, "limit", in: 1...1000) ?? 100
        let cursor = try PageQuery.integer(call.query, "cursor", in: 0...Int.max)
        let entries = try await auditUseCases.list(of: call.account, selection, after: cursor, limit: limit)
        let next = entries.count == limit ? entries.last.map { String($0.number) } : nil
        return Envelope.success(
            .array(entries.map { $0.document(of: call.account) }),
            info: ["count": JSONValue(entries.count), "cursor": JSONValue(next ?? "")]
        )
    }

    func legacyAuditLog(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 1...1000, standard: 100)
        var selection = try Self.selection(call.query)
        selection.action = try PageQuery.text(call.query, "action.type")
        let page = try await auditUseCases.page(of: call.account, selection, request)
        return Envelope.success(
            .array(page.items.map { $0.legacyDocument(of: call.account) }), info: PageQuery.info(page, request)
        )
    }

    private static func selection(_ query: QueryItems) throws(APIProblem) -> AuditRepository.Selection {
        var selection = AuditRepository.Selection()
        selection.since = try PageQuery.time(query, "since")
        selection.before = try PageQuery.time(query, "before")
        selection.direction = try PageQuery.choice(query, "direction", SortDirection.self) ?? .desc
        return selection
    }
}

extension AuditRepository.Entry {
    /// The entry on the wire (control-plane.md §19 · observed).
    func document(of account: AccountID) -> JSONValue {
        let author = JSONValue(stored: author)
        return [
            "id": .string(id), "account": ["id": .string(account.rawValue), "name": .string(account.rawValue)],
            "action": [
                "description": .string(description), "result": "success",
                "time": .string(Timestamp.text(happenedAt)), "type": .string(action),
            ],
            "actor": [
                "id": author["id"] ?? .null, "type": author["type"] ?? .null,
                "token_id": author["type"] == "token" ? author["id"] ?? .null : .null,
                "token_name": author["name"] ?? .null,
            ],
            "raw": [:],
            "resource": [
                "id": .string(resource), "type": .string(resourceType), "product": .string(product),
                "oldValueJson": oldValue.map { JSONValue(stored: $0) } ?? .null,
                "newValueJson": newValue.map { JSONValue(stored: $0) } ?? .null,
            ],
        ]
    }

    /// The entry as the older route has it.
    func legacyDocument(of account: AccountID) -> JSONValue {
        let author = JSONValue(stored: author)
        return [
            "id": .string(id), "when": .string(Timestamp.text(happenedAt)),
            "action": ["info": .string(description), "result": true, "type": .string(action)],
            "actor": ["id": author["id"] ?? .null, "type": author["type"] ?? .null],
            "interface": author["type"] == "token" ? "API" : .string(author["type"]?.text ?? ""),
            "metadata": ["token_name": author["name"] ?? .null], "owner": ["id": .string(account.rawValue)],
            "oldValue": JSONValue(oldValue), "newValue": JSONValue(newValue),
            "oldValueJson": oldValue.map { JSONValue(stored: $0) } ?? [:],
            "newValueJson": newValue.map { JSONValue(stored: $0) } ?? [:],
            "resource": ["id": .string(resource), "type": .string(resourceType)],
        ]
    }

    private var description: String { "\(action) \(resourceType)" }
    private var product: String { String(resourceType.prefix { $0 != "." }) }
}
