/// What a change of configuration left behind, and the first snapshot version that contains it.
package struct ConfigurationWrite<Value: Sendable>: Sendable {
    package var value: Value
    package var version: UInt64

    package init(value: Value, version: UInt64) {
        self.value = value
        self.version = version
    }
}

extension PostgresPool {
    /// Changes configuration in one transaction and learns the version that the change raised.
    package func write<Value: Sendable>(
        _ body: (PostgresTransaction) async throws -> Value
    ) async throws -> ConfigurationWrite<Value> {
        try await transaction(.configuration) { transaction in
            let value = try await body(transaction)
            // The transaction holds the version's row lock, so this is the version of exactly this change.
            return ConfigurationWrite(value: value, version: try await transaction.configurationVersion())
        }
    }
}

extension PostgresTransaction {
    func configurationVersion() async throws(PostgresError) -> UInt64 {
        let rows = try await query("SELECT version FROM config_version")
        guard let row = rows.first else { throw PostgresError(.unexpectedResult, "config_version is empty") }
        return UInt64(clamping: try row.int("version"))
    }
}

/// One page of a list, and how many rows all pages together have.
package struct Page<Element: Sendable>: Sendable {
    /// Whether a total was counted to its end.
    package enum Certainty: Sendable { case exact, atLeast }

    package var items: [Element]
    package var total: Int
    package var certainty = Certainty.exact

    package init(items: [Element], total: Int) {
        self.items = items
        self.total = total
    }

    package func map<Other>(_ transform: (Element) -> Other) -> Page<Other> {
        Page<Other>(items: items.map(transform), total: total)
    }
}

/// The part of a list that is asked for.
package struct PageRequest: Sendable, Equatable {
    /// From 1.
    package var number: Int
    package var size: Int

    package init(number: Int = 1, size: Int = 20) {
        self.number = number
        self.size = size
    }

    var offset: Int {
        let (product, overflow) = (number - 1).multipliedReportingOverflow(by: size)
        return overflow ? Int.max : max(0, product)
    }
}
