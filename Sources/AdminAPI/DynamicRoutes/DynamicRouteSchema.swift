import ControlPlane

/// The forms of dynamic routes in the API's description (control-plane.md §6).
enum DynamicRouteSchema {
    static let name = Schema.object(["name": .string(1...256)])
    static let graph = Schema.object(["elements": elements])
    static let creation = Schema.object(["name": .string(1...256), "elements": elements])
    static let deployment = Schema.object(["version_id": .string(1...256)])

    static let deployed = Schema.object([
        "deployment_id": .string, "version_id": .string, "created_at": .time,
    ]).named("DynamicRouteDeployment")

    static let version = Schema.object([
        "version_id": .string, "active": .words(["true", "false"]), "data": .string, "created_at": .time,
        "is_valid": .boolean,
    ]).named("DynamicRouteVersion")

    static let body = Schema.object([
        "id": .string, "name": .string, "gateway_id": .string, "elements": .array(of: .object), "created_at": .time,
        "modified_at": .time,
    ]).named("DynamicRouteBody")

    static let route = Schema.all(body, .object(["deployment": deployed, "version": version])).named("DynamicRoute")
    static let item = Schema.all(route, .object(["account_tag": .string]))

    static let detail = Schema.all(
        body,
        .object([
            "version_id": .string, "active": .words(["true", "false"]), "data": .string, "is_valid": .boolean,
        ])
    )

    /// One page under a name of its own.
    static func page(_ name: String, of element: Schema) -> Schema {
        .all(
            .member(name, .array(of: element)),
            .object([
                "page": .integer, "per_page": .integer, "order_by": .string, "order_by_direction": .string,
            ])
        )
    }

    private static let target = Schema.object(["elementId": .string(1...256)])

    private static let elements = Schema.array(
        of: .either(
            element("start", .object(["next": target])), element("end", .object),
            element("percentage", .map(of: target)),
            element("conditional", .object(["true": target, "false": target]), .object(["conditions": .object])),
            element(
                "rate", .object(["success": target, "fallback": target]),
                .object([
                    "key": .string(1...256), "limit": .integer(1...1_000_000),
                    "limitType": .words(["count", "cost"]), "window": .integer(1...1_000_000),
                ])
            ),
            element(
                "model", .object(["success": target, "fallback": target]),
                .object([
                    "provider": .string(1...256), "model": .string(1...512), "timeout?": .integer(0...3_600_000),
                    "retries?": .integer(0...100),
                ])
            )
        ), counts: 1...500
    )

    private static func element(_ type: String, _ outputs: Schema, _ properties: Schema? = nil) -> Schema {
        let base = Schema.object([
            "id": .string(1...256), "type": .constant(.string(type)), "outputs": outputs,
        ])
        return properties.map { .all(base, .member("properties", $0)) } ?? base
    }
}
