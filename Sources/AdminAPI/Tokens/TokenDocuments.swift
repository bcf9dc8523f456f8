import ControlPlane
import GatewayCore
import PostgresStore

extension APIToken {
    /// A token as the API shows it: never its value, and all that it allows as one policy.
    ///
    /// - Source: control-plane §14 · documented.
    func document(at now: Instant) -> JSONValue {
        var members = [
            JSONValue.Member("id", .string(id.rawValue)), .init("name", .string(name)),
            .init("status", .string(status(at: now).rawValue)),
            .init("issued_on", .string(Timestamp.text(createdAt))),
            .init("modified_on", .string(Timestamp.text(modifiedAt))),
        ]
        for (name, time) in [("last_used_on", lastUsedAt), ("not_before", notBefore), ("expires_on", expiresAt)] {
            if let time { members.append(.init(name, .string(Timestamp.text(time)))) }
        }
        members.append(.init("policies", [policy]))
        return .object(members)
    }

    private var policy: JSONValue {
        let groups = PermissionGroup.groups(of: permissions).map { group -> JSONValue in
            ["id": .string(group.id), "name": .string(group.name)]
        }
        return [
            // A token has one policy, which is as old as itself.
            "id": .string(id.rawValue), "effect": "allow",
            "resources": .object([.init("\(PermissionGroup.scope).\(account)", "*")]),
            "permission_groups": .array(groups),
        ]
    }
}

extension PermissionGroup {
    func document(for token: APIToken) -> JSONValue {
        [
            "id": .string(id), "name": .string(name), "category": .string(category),
            "is_selectable": .bool(token.permissions.cover(.edit) && token.permissions.cover(permissions)),
            "scopes": [.string(Self.scope)],
        ]
    }
}
