import ControlPlane

/// The forms of tokens, policies and permission groups in the API's description (control-plane.md §14).
enum TokenSchema {
    static let token = Schema.object(tokenMembers).named("Token")

    /// A token with its value, which is told once.
    static let made = Schema.all(token, .object(["value": .string])).named("NewToken")

    static let creation = Schema.object([
        "name": .string(1...120), "policies": policies, "not_before?": Schema.time.orNull,
        "expires_on?": Schema.time.orNull, "condition?": Schema.object.orNull,
    ])

    static let change = Schema.object([
        "name": .string(1...120), "policies": policies, "not_before?": Schema.time.orNull,
        "expires_on?": Schema.time.orNull, "status?": Schema.words(["active", "disabled"]).orNull,
        "condition?": Schema.object.orNull,
    ])

    static let group = Schema.object([
        "id": .string, "name": .string, "category": .string, "is_selectable": .boolean,
        "scopes": .array(of: .constant(.string(PermissionGroup.scope))),
    ]).named("PermissionGroup")

    private static let tokenMembers: KeyValuePairs<String, Schema> = [
        "id": .string, "name": .string, "status": .words(["active", "disabled", "expired"]), "issued_on": .time,
        "modified_on": .time, "last_used_on?": .time, "not_before?": .time, "expires_on?": .time,
        "policies": .array(
            of: .object([
                "id": .string, "effect": .constant("allow"), "resources": .map(of: .string),
                "permission_groups": .array(of: .object(["id": .string, "name": .string])),
            ])
        ),
    ]

    private static let policies = Schema.array(
        of: .object([
            "effect": .constant("allow"), "resources": .map(of: .constant("*")),
            "permission_groups": .array(of: .object(["id": .string]), counts: 1...100),
        ]),
        counts: 1...100
    )
}
