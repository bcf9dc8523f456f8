import ControlPlane
import GatewayCore
import PostgresStore

extension DynamicRoute {
    /// What every form of a route has (control-plane.md §6.1, RouteBody · documented).
    func body(elements: String? = nil) -> [JSONValue.Member] {
        [
            .init("id", .string(id)), .init("name", .string(name)), .init("gateway_id", .string(gateway.rawValue)),
            .init("elements", JSONValue(stored: elements ?? version.elements)),
            .init("created_at", .string(Timestamp.text(createdAt))),
            .init("modified_at", .string(Timestamp.text(modifiedAt))),
        ]
    }

    /// The route with what is in force.
    var document: JSONValue {
        .object(body() + [.init("deployment", deployment.document), .init("version", version.document)])
    }

    /// As lists and renaming show it.
    var item: JSONValue {
        .object(
            body() + [
                .init("account_tag", .string(account.rawValue)), .init("deployment", deployment.document),
                .init("version", version.document),
            ]
        )
    }

    /// One version as a route of its own.
    func detail(of version: DynamicRouteVersion) -> JSONValue {
        .object(body(elements: version.elements) + version.members.filter { $0.name != "created_at" })
    }
}

extension DynamicRouteDeployment {
    var document: JSONValue {
        [
            "deployment_id": .string(id), "version_id": .string(version),
            "created_at": .string(Timestamp.text(createdAt)),
        ]
    }
}

extension DynamicRouteVersion {
    var document: JSONValue { .object(members) }

    /// `active` is text and `data` is the elements as JSON text (control-plane.md §6.1, §22).
    fileprivate var members: [JSONValue.Member] {
        [
            .init("version_id", .string(id)), .init("active", isActive ? "true" : "false"),
            .init("data", .string(elements)), .init("created_at", .string(Timestamp.text(createdAt))),
            .init("is_valid", .bool(isValid)),
        ]
    }
}

extension JSONValue {
    /// A document that was checked before it was stored.
    init(stored text: String) { self = (try? JSONValue(parsing: text)) ?? .null }
}
