import ControlPlane

/// The forms of stores and secrets in the API's description (control-plane.md §13).
enum SecretSchema {
    static let scope = Schema.words(SecretsStoreAdministration.scopes.sorted())

    static let store = Schema.object([
        "id": .string, "name": .string, "account_id": .string, "created": .time, "modified": .time,
    ]).named("SecretStore")

    static let secret = Schema.object([
        "id": .string, "name": .string, "store_id": .string, "status": .words(["pending", "active", "deleted"]),
        "scopes": .array(of: scope), "comment": Schema.string.orNull, "created": .time, "modified": .time,
    ]).named("Secret")

    static let creation = Schema.object([
        "name": name, "value": .string(1...65_536), "scopes": scopes, "comment?": comment,
    ])

    static let change = Schema.object(["value?": .string(1...65_536), "scopes?": scopes, "comment?": comment])
    static let duplicate = Schema.object(["name": name, "scopes": scopes, "comment?": comment])

    private static let name = Schema.string(1...255, pattern: "^[A-Za-z0-9_-]+$")
    private static let scopes = Schema.array(of: scope, counts: 1...6)
    private static let comment = Schema.string(0...1024).orNull
}
