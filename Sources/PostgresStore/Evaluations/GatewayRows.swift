import GatewayCore

/// One gateway's rows of a table, in the order in which they were made.
struct GatewayRows {
    private var restriction: PostgresFragment

    init(_ table: StaticString, of gateway: GatewayID, in account: AccountID) {
        restriction = PostgresFragment(" FROM ")
        restriction.append(table)
        restriction.append(" WHERE account_id = ")
        restriction.append(value: .text(account.rawValue))
        restriction.append(" AND gateway_id = ")
        restriction.append(value: .text(gateway.rawValue))
    }

    /// Keeps rows in whose `text`, a column or an expression, `part` occurs in whichever case; all for nil.
    mutating func keep(where text: StaticString, contains part: String?) {
        guard let part else { return }
        restriction.append(" AND ")
        restriction.append(text)
        restriction.append(" ILIKE ")
        restriction.append(value: .text(LogCondition.pattern(for: part)))
    }

    /// Keeps rows with that value; all for nil.
    mutating func keep(where column: StaticString, is value: Bool?) {
        guard let value else { return }
        restriction.append(" AND ")
        restriction.append(column)
        restriction.append(" = ")
        restriction.append(value: .bool(value))
    }

    /// The rows of a page.
    func query(_ page: PageRequest) -> PostgresQuery {
        var query = PostgresQuery("SELECT *")
        query.append(restriction)
        query.append(" ORDER BY created_at, id LIMIT ", value: .int(page.size), " OFFSET ")
        query.append(value: .int(page.offset))
        return query
    }

    /// How many rows there are on all pages, as `total`.
    var counting: PostgresQuery {
        var query = PostgresQuery("SELECT count(*) AS total")
        query.append(restriction)
        return query
    }
}
