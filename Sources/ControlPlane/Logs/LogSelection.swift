package import GatewayCore
package import PostgresStore

/// Which rows a delete call means, in the API's own terms, so that it can be kept until it is carried out.
package struct LogSelection: Sendable, Equatable {
    package var filters: [LogFilter]
    package var order: LogQuery.Order
    package var direction: LogQuery.Direction

    package init(filters: [LogFilter], order: LogQuery.Order, direction: LogQuery.Direction) {
        self.filters = filters
        self.order = order
        self.direction = direction
    }

    /// The rows that are meant.
    package func query(of gateway: GatewayID, in account: AccountID) throws(ControlError) -> LogQuery {
        var conditions: [LogCondition] = []
        for filter in filters { conditions.append(try filter.condition()) }
        var query = LogQuery(account: account, gateway: gateway, conditions: conditions)
        query.order = order
        query.direction = direction
        return query
    }

    var document: JSONValue {
        [
            "filters": .array(filters.map(\.document)), "order_by": .string(order.rawValue),
            "direction": .string(direction.rawValue),
        ]
    }

    /// Reads what `document` wrote; nil for anything else.
    init?(_ document: JSONValue) {
        guard let elements = document["filters"]?.elements,
            let order = document["order_by"]?.text.flatMap(LogQuery.Order.init(rawValue:)),
            let direction = document["direction"]?.text.flatMap(LogQuery.Direction.init(rawValue:))
        else { return nil }
        var filters: [LogFilter] = []
        for element in elements {
            guard let filter = LogFilter(element) else { return nil }
            filters.append(filter)
        }
        self.init(filters: filters, order: order, direction: direction)
    }
}

extension LogFilter {
    /// The filter as the API has it.
    package var document: JSONValue {
        ["key": .string(key), "operator": .string(operation), "value": .array(values)]
    }

    /// Reads what `document` wrote; nil for anything else.
    init?(_ document: JSONValue) {
        guard let key = document["key"]?.text, let operation = document["operator"]?.text,
            let values = document["value"]?.elements
        else { return nil }
        self.init(key: key, operation: operation, values: values, path: [])
    }
}
