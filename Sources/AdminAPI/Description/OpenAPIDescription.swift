import ControlPlane
import GatewayCore

/// The API as an OpenAPI 3.1 document, made from the route table so that it cannot differ from it.
///
/// Beside what the standard asks for, each operation has `x-permission` (`read`, `edit`, `metadata`, `any` or `none`) and,
/// unless it is open, `x-permission-groups`: each of these opens it.
struct OpenAPIDescription {
    private var paths: [(template: String, operations: [JSONValue.Member])] = []
    private var components: [String: JSONValue] = [:]

    init(of routes: [AdminRoute]) {
        for route in routes {
            let operation = JSONValue.Member(route.method.lowercased(), self.operation(route))
            if let index = paths.firstIndex(where: { $0.template == route.template }) {
                paths[index].operations.append(operation)
            } else {
                paths.append((route.template, [operation]))
            }
        }
    }

    var document: JSONValue {
        [
            "openapi": "3.1.0",
            "info": [
                "title": "aigatewayd management API", "version": "1",
                "description": "Cloudflare's AI Gateway and Secrets Store API, as this daemon serves it.",
            ],
            "servers": [["url": "/client/v4"], ["url": "/"]],
            "security": [["token": []]],
            "paths": .object(paths.map { JSONValue.Member($0.template, .object($0.operations)) }),
            "components": [
                "securitySchemes": ["token": ["type": "http", "scheme": "bearer"]],
                "schemas": .object(components.sorted { $0.key < $1.key }.map { .init($0.key, $0.value) }),
            ],
        ]
    }

    private mutating func take(_ schema: Schema) -> JSONValue {
        components.merge(schema.components) { _, last in last }
        return schema.document
    }

    private mutating func operation(_ route: AdminRoute) -> JSONValue {
        let description = route.description
        var members: [JSONValue.Member] = [
            .init("operationId", .string(Self.operationID(route))),
            .init("summary", .string(description.summary)),
            .init("x-permission", .string(route.requirement.word)),
        ]
        if let needed = route.permissions {
            let groups = PermissionGroup.all.filter { $0.permissions.cover(needed) }
            members.append(.init("x-permission-groups", .array(groups.map { .string($0.name) })))
        }
        if route.requirement == .everyone { members.append(.init("security", [])) }
        var parameters: [JSONValue] = route.segments.compactMap { segment in
            switch segment {
            case .literal: nil
            case .account: Self.parameter("account_id", "path", .string(32...32, pattern: "^[0-9a-f]{32}$"))
            case .parameter(let name): Self.parameter(name, "path", .string(1...256))
            }
        }
        parameters += description.query.map { Self.parameter($0.name, "query", $0.schema, $0.presence) }
        if !parameters.isEmpty { members.append(.init("parameters", .array(parameters))) }
        if let body = description.body {
            members.append(.init("requestBody", ["content": ["application/json": ["schema": take(body)]]]))
        }
        let failure = take(Self.failure)
        members.append(
            .init(
                "responses",
                .object([
                    .init(
                        String(description.status),
                        ["description": "Success", "content": success(description.answer)]
                    ),
                    .init(
                        "default",
                        ["description": "Failure", "content": ["application/json": ["schema": failure]]]
                    ),
                ])
            )
        )
        return .object(members)
    }

    private static func parameter(
        _ name: String, _ place: String, _ schema: Schema,
        _ presence: RouteDescription.Parameter.Presence = .required
    ) -> JSONValue {
        [
            "name": .string(name), "in": .string(place), "required": .bool(presence == .required),
            "schema": schema.document,
        ]
    }

    private mutating func success(_ answer: RouteDescription.Answer) -> JSONValue {
        let schema: Schema
        switch answer {
        case .bytes: return ["*/*": [:]]
        case .document(let document): schema = document
        case .result(let result): schema = .all(Self.envelope, .object(["result": result]))
        case .list(let element):
            schema = .all(
                Self.envelope, .object(["result": .array(of: element), "result_info": Self.listInfo])
            )
        case .twice(let name, let result):
            schema = .all(Self.envelope, .object(["result": result]), .member(name, result))
        }
        return ["application/json": ["schema": take(schema)]]
    }

    /// `PUT /accounts/{account_id}/ai-gateway/gateways/{gateway_id}` → `put-ai-gateway-gateways-gateway_id`.
    private static func operationID(_ route: AdminRoute) -> String {
        ([route.method.lowercased()]
            + route.segments.compactMap { segment in
                switch segment {
                case .literal(let word): word
                case .parameter(let name): name
                case .account: nil
                }
            }
            + (route.segments == [.literal("accounts"), .account] ? ["account"] : [])).joined(separator: "-")
    }

    private static let message = Schema.object([
        "code": .integer(1000...999_999), "message": .string, "path?": .array(of: .string),
        "error_chain?": .array(of: .object(["code": .integer, "message": .string])),
    ]).named("Message")

    private static let envelope = Schema.object([
        "success": .constant(true), "errors": .array(of: message, counts: 0...0),
        "messages": .array(of: .object),
    ]).named("Success")

    private static let failure = Schema.object([
        "success": .constant(false), "errors": .array(of: message, counts: 1...100_000),
        "messages": .array(of: .object), "result": .anything,
    ]).named("Failure")

    private static let listInfo = Schema.object([
        "page": .integer, "per_page": .integer, "count": .integer, "total_count": .integer,
        "total_pages": .integer,
    ]).named("ListInfo")
}

extension Requirement {
    /// As the manual calls it.
    package var word: String {
        switch self {
        case .read: "read"
        case .edit: "edit"
        case .metadata: "metadata"
        case .anyToken: "any"
        case .everyone: "none"
        }
    }
}
