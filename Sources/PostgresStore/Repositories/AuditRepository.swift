package import GatewayCore

/// Who changed what; the rows are written by the database itself.
package struct AuditRepository: Sendable {
    /// One changed object.
    package struct Entry: Sendable, Equatable {
        package var id: String
        /// Grows with every entry.
        package var number: Int
        package var happenedAt: Instant
        /// `create`, `update`, `delete` or `deploy`.
        package var action: String
        package var resourceType: String
        package var resource: String
        /// A JSON object in text form, as are the two that follow.
        package var author: String
        package var oldValue: String?
        package var newValue: String?
    }

    /// Which entries are meant; nil stands for all.
    package struct Selection: Sendable {
        package var since: Instant?
        package var before: Instant?
        package var action: String?
        package var resourceType: String?
        package var resource: String?
        /// Id of the token that did it.
        package var author: String?
        package var direction = SortDirection.desc

        package init() {}
    }

    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    /// Entries behind the one with a number, in the order of the selection.
    package func list(
        of account: AccountID, _ selection: Selection, after number: Int?, limit: Int
    ) async throws(PostgresError) -> [Entry] {
        var query = Self.query("SELECT *", account, selection)
        if let number {
            query.append(selection.direction == .desc ? " AND number < " : " AND number > ", value: .int(number))
        }
        query.append(" ORDER BY number")
        query.append(selection.direction.sql)
        query.append(" LIMIT ", value: .int(limit))
        return try await pool.query(query).map { (row) throws(PostgresError) in try Entry(row) }
    }

    package func page(
        of account: AccountID, _ selection: Selection, _ page: PageRequest
    ) async throws(PostgresError) -> Page<Entry> {
        let count = try await pool.query(Self.query("SELECT count(*) AS total", account, selection))
        var query = Self.query("SELECT *", account, selection)
        query.append(" ORDER BY number")
        query.append(selection.direction.sql)
        query.append(" LIMIT ", value: .int(page.size), " OFFSET ")
        query.append(value: .int(page.offset))
        return Page(
            items: try await pool.query(query).map { (row) throws(PostgresError) in try Entry(row) },
            total: try count.first?.int("total") ?? 0
        )
    }

    private static func query(_ what: StaticString, _ account: AccountID, _ selection: Selection) -> PostgresQuery {
        var query = PostgresQuery(what)
        query.append(" FROM audit_entries WHERE account_id = ", value: .text(account.rawValue))
        if let since = selection.since { query.append(" AND happened_at >= ", value: .instant(since)) }
        if let before = selection.before { query.append(" AND happened_at < ", value: .instant(before)) }
        if let action = selection.action { query.append(" AND action = ", value: .text(action)) }
        if let type = selection.resourceType { query.append(" AND resource_type = ", value: .text(type)) }
        if let resource = selection.resource { query.append(" AND resource_id = ", value: .text(resource)) }
        if let author = selection.author { query.append(" AND author ->> 'id' = ", value: .text(author)) }
        return query
    }
}

extension AuditRepository.Entry {
    fileprivate init(_ row: PostgresRow) throws(PostgresError) {
        self.init(
            id: try row.text("id"), number: try row.int("number"), happenedAt: try row.instant("happened_at"),
            action: try row.text("action"), resourceType: try row.text("resource_type"),
            resource: try row.text("resource_id"), author: try row.text("author"),
            oldValue: try row.textOrNil("old_value"), newValue: try row.textOrNil("new_value")
        )
    }
}
