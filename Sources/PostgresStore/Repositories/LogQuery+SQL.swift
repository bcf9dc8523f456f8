import GatewayCore

extension LogQuery {
    /// The rows that are meant, as the part of a statement from FROM on, without ORDER BY.
    var selection: PostgresFragment {
        var sql = PostgresFragment(" FROM logs l WHERE l.account_id = ")
        sql.append(value: .text(account.rawValue))
        sql.append(" AND l.gateway_id = ")
        sql.append(value: .text(gateway.rawValue))
        for condition in conditions {
            sql.append(" AND ")
            sql.append(condition.predicate)
        }
        if let search, !search.isEmpty {
            sql.append(" AND (l.id || ' ' || l.event_id || ' ' || l.provider || ' ' || l.model || ' ' || l.path")
            sql.append(" || ' ' || coalesce(l.model_type, '') || ' ' || l.request_type")
            sql.append(" || ' ' || coalesce(l.user_agent, '') || ' ' || coalesce(l.metadata::text, '')")
            sql.append(" || ' ' || l.status_code::text) ILIKE ")
            sql.append(value: .text(LogCondition.pattern(for: search)))
        }
        return sql
    }

    /// Rows of one instant are told apart by their id, so that pages neither repeat nor skip one.
    var ordering: PostgresFragment {
        var sql = PostgresFragment(" ORDER BY ")
        switch order {
        case .createdAt: sql.append("l.created_at")
        case .provider: sql.append("l.provider")
        case .model: sql.append("l.model")
        case .modelType: sql.append("l.model_type")
        case .success: sql.append("l.success")
        case .cached: sql.append("l.cached")
        case .cost: sql.append("l.cost")
        case .tokensIn: sql.append("l.tokens_in")
        case .tokensOut: sql.append("l.tokens_out")
        case .duration: sql.append("l.duration_us")
        case .feedback: sql.append("l.feedback")
        }
        switch direction {
        case .asc: sql.append(" ASC NULLS FIRST, l.created_at ASC, l.id ASC")
        case .desc: sql.append(" DESC NULLS LAST, l.created_at DESC, l.id DESC")
        }
        return sql
    }
}

extension LogCondition {
    /// A search text as an ILIKE pattern that means the text itself.
    static func pattern(for text: String) -> String {
        var pattern = "%"
        for character in text.unicodeScalars {
            if character == "%" || character == "_" || character == "\\" { pattern.unicodeScalars.append("\\") }
            pattern.unicodeScalars.append(character)
        }
        return pattern + "%"
    }

    /// The condition as a boolean expression that is never null.
    var predicate: PostgresFragment {
        // "Not equal" holds when the row equals none of the values; every other operator when one value fits.
        var sql = PostgresFragment(operation == .notEqual ? "NOT coalesce(" : "coalesce(")
        if values.isEmpty {
            sql.append("false")
        }
        for (index, value) in values.enumerated() {
            if index > 0 { sql.append(" OR ") }
            sql.append("coalesce(")
            sql.append(comparison(with: value))
            sql.append(", false)")
        }
        sql.append(", false)")
        return sql
    }

    private func comparison(with value: Value) -> PostgresFragment {
        switch key {
        case .metadataKey: metadataComparison(with: value, of: "item.key")
        case .metadataValue: metadataComparison(with: value, of: "item.value")
        default: columnComparison(with: value)
        }
    }

    /// The column or expression of a key.
    ///
    /// Facts that this version does not record are null.
    private var column: PostgresFragment {
        switch key {
        case .id: PostgresFragment("l.id")
        case .createdAt: PostgresFragment("l.created_at")
        case .requestContentType: PostgresFragment("l.request_content_type")
        case .responseContentType: PostgresFragment("l.response_content_type")
        case .requestType: PostgresFragment("l.request_type")
        case .success: PostgresFragment("l.success")
        case .cached: PostgresFragment("l.cached")
        case .provider: PostgresFragment("l.provider")
        case .model: PostgresFragment("l.model")
        case .modelType: PostgresFragment("l.model_type")
        case .cost: PostgresFragment("l.cost")
        case .tokens:
            PostgresFragment(
                """
                CASE WHEN l.tokens_in IS NULL AND l.tokens_out IS NULL THEN NULL
                ELSE coalesce(l.tokens_in, 0) + coalesce(l.tokens_out, 0) END
                """
            )
        case .tokensIn: PostgresFragment("l.tokens_in")
        case .tokensOut: PostgresFragment("l.tokens_out")
        case .duration: PostgresFragment("(l.duration_us / 1000)")
        case .feedback: PostgresFragment("l.feedback")
        case .eventID: PostgresFragment("l.event_id")
        case .authentication: PostgresFragment("l.authenticated")
        case .wholesale: PostgresFragment("false")
        case .compatibilityMode: PostgresFragment("(l.request_type = 'compat')")
        case .userAgent: PostgresFragment("l.user_agent")
        case .metadataKey, .metadataValue, .dlpAction, .promptID, .promptVersion: PostgresFragment("NULL::text")
        }
    }

    private func columnComparison(with value: Value) -> PostgresFragment {
        var sql = PostgresFragment("(")
        sql.append(column)
        sql.append(")")
        if operation == .contains {
            sql.append("::text ILIKE ")
            sql.append(value: .text(Self.pattern(for: value.searchText)))
            return sql
        }
        switch value {
        case .unset:
            switch operation {
            case .equal, .notEqual: sql.append(" IS NULL")
            default: return PostgresFragment("false")
            }
        case .text(let text): compare(&sql, .text(text))
        case .number(let literal):
            sql.append("::numeric")
            compare(&sql, .numeric(literal))
        case .bool(let flag): compare(&sql, .bool(flag))
        case .instant(let instant): compare(&sql, .instant(instant))
        }
        return sql
    }

    private func compare(_ sql: inout PostgresFragment, _ value: PostgresValue) {
        switch operation {
        case .equal, .notEqual: sql.append(" = ")
        case .less: sql.append(" < ")
        case .greater: sql.append(" > ")
        case .atLeast: sql.append(" >= ")
        case .atMost: sql.append(" <= ")
        case .contains: sql.append(" = ")
        }
        sql.append(value: value)
    }

    private func metadataComparison(with value: Value, of item: StaticString) -> PostgresFragment {
        if value == .unset {
            switch operation {
            case .equal, .notEqual: return PostgresFragment("l.metadata IS NULL OR l.metadata = '{}'::jsonb")
            default: return PostgresFragment("false")
            }
        }
        var sql = PostgresFragment("EXISTS (SELECT FROM jsonb_each_text(l.metadata) AS item(key, value) WHERE ")
        sql.append(item)
        if operation == .contains {
            sql.append(" ILIKE ")
            sql.append(value: .text(Self.pattern(for: value.searchText)))
        } else {
            compare(&sql, .text(value.searchText))
        }
        sql.append(")")
        return sql
    }
}

extension LogCondition.Value {
    /// The value as text, for substring searches.
    fileprivate var searchText: String {
        switch self {
        case .unset: ""
        case .text(let text): text
        case .number(let literal): literal
        case .bool(let flag): flag ? "true" : "false"
        case .instant(let instant): String(instant.milliseconds)
        }
    }
}
