import GatewayCore
package import PostgresStore

extension Dataset {
    /// The filters with their members in the API's order, which `jsonb` does not keep.
    private var filters: JSONValue {
        let stored = (try? JSONValue(parsing: content.filters))?.elements ?? []
        return .array(stored.map { LogFilter($0)?.document ?? $0 })
    }

    /// The object of the API (control-plane.md §5.1 · documented).
    package var document: JSONValue {
        [
            "id": .string(id), "account_id": .string(account.rawValue), "account_tag": .string(account.rawValue),
            "gateway_id": .string(gateway.rawValue), "name": .string(content.name), "enable": .bool(content.isEnabled),
            "filters": filters,
            "created_at": .string(Timestamp.text(createdAt)), "modified_at": .string(Timestamp.text(modifiedAt)),
        ]
    }
}
