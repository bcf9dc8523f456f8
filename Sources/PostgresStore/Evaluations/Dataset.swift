package import GatewayCore

/// A saved selection of a gateway's log (control-plane.md §5.1).
package struct Dataset: Sendable, Equatable {
    package var id: String
    package var account: AccountID
    package var gateway: GatewayID
    package var content: DatasetContent
    package var createdAt: Instant
    package var modifiedAt: Instant

    package init(
        id: String, account: AccountID, gateway: GatewayID, content: DatasetContent, createdAt: Instant,
        modifiedAt: Instant
    ) {
        self.id = id
        self.account = account
        self.gateway = gateway
        self.content = content
        self.createdAt = createdAt
        self.modifiedAt = modifiedAt
    }
}

/// What a client says of a dataset.
package struct DatasetContent: Sendable, Equatable {
    /// Unique within the gateway.
    package var name: String
    package var isEnabled: Bool
    /// An array of filters as JSON text.
    package var filters: String

    package init(name: String, isEnabled: Bool, filters: String) {
        self.name = name
        self.isEnabled = isEnabled
        self.filters = filters
    }
}

extension Dataset {
    init(_ row: PostgresRow) throws(PostgresError) {
        self.init(
            id: try row.text("id"), account: AccountID(try row.text("account_id")),
            gateway: GatewayID(try row.text("gateway_id")),
            content: DatasetContent(
                name: try row.text("name"), isEnabled: try row.bool("enable"), filters: try row.text("filters")
            ),
            createdAt: try row.instant("created_at"), modifiedAt: try row.instant("modified_at")
        )
    }
}
