import ControlPlane
import GatewayCore
import PostgresStore

extension SecretStore {
    /// The store object on the wire (control-plane.md §13.1 · documented).
    var document: JSONValue {
        [
            "id": .string(id.rawValue),
            "name": .string(name),
            "account_id": .string(account.rawValue),
            "created": .string(Timestamp.text(createdAt)),
            "modified": .string(Timestamp.text(modifiedAt)),
        ]
    }
}

extension StoredSecret {
    /// The secret object on the wire (control-plane.md §13.2 · documented); never the value, nor where it is found.
    var document: JSONValue {
        [
            "id": .string(id.rawValue),
            "name": .string(name),
            "store_id": .string(store.rawValue),
            "status": .string(status),
            "scopes": .array(scopes.map { .string($0) }),
            "comment": comment.map { .string($0) } ?? .null,
            "created": .string(Timestamp.text(createdAt)),
            "modified": .string(Timestamp.text(modifiedAt)),
        ]
    }
}
