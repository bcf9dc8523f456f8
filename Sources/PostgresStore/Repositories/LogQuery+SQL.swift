import GatewayCore

extension LogQuery {
    /// The rows that are meant, as the part of a statement from FROM on, without ORDER BY.
    var selection: PostgresFragment {
        var sql = PostgresFragment(" FROM logs l WHERE ")
        sql.append(restriction)
        return sql
    }

    /// What holds for the rows that are meant, of a table `l`.
    var restriction: PostgresFragment {
        var sql = PostgresFragment("l.account_id = ")
        sql.append(value: .text(account.rawValue))
        sql.append(" AND l.gateway_id = ")
        sql.append(value: .text(gateway.rawValue))
        if let anyOf {
            sql.append(" AND (false")
            for alternative in anyOf {
                sql.append(" OR (true")
                sql.append(Self.all(alternative))
                sql.append(")")
            }
            sql.append(")")
        }
        sql.append(Self.all(conditions))
        if let search, !search.isEmpty {
            sql.append(" AND (l.id || ' ' || l.event_id || ' ' || l.provider || ' ' || l.model || ' ' || l.path")
            sql.append(" || ' ' || coalesce(l.model_type, '') || ' ' || l.request_type")
            sql.append(" || ' ' || coalesce(l.user_agent, '') || ' ' || coalesce(l.metadata::text, '')")
            sql.append(" || ' ' || l.status_code::text) ILIKE ")
            sql.append(value: .text(LogCondition.pattern(for: search)))
        }
        return sql
    }

    private static func all(_ conditions: [LogCondition]) -> PostgresFragment {
        var sql = PostgresFragment()
        for condition in conditions {
            sql.append(" AND ")
            sql.append(condition.predicate)
        }
        return sql
    }

    /// Rows of one instant are told apart by their id, so that pages neither repeat nor skip one.
    var ordering: PostgresFragment {
        // Spelled as the index has it; time is never null.
        if order == .createdAt {
            return PostgresFragment(
                direction == .asc
                    ? " ORDER BY l.created_at ASC, l.id ASC" : " ORDER BY l.created_at DESC, l.id DESC"
            )
        }
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

    /// The condition as a boolean expression for a WHERE clause, where null does not hold either.
    var predicate: PostgresFragment {
        guard !values.isEmpty else { return PostgresFragment(operation == .notEqual ? "true" : "false") }
        // "Not equal" holds when the row equals none of the values; every other operator when one value fits. Without
        // a function around it a comparison can use an index.
        var sql = PostgresFragment(operation == .notEqual ? "NOT coalesce(" : "(")
        for (index, value) in values.enumerated() {
            if index > 0 { sql.append(" OR ") }
            sql.append(comparison(with: value))
        }
        sql.append(operation == .notEqual ? ", false)" : ")")
        return sql
    }

    private func comparison(with value: Value) -> PostgresFragment {
        switch key {
        case .metadataKey: metadataComparison(with: value, of: .key)
        case .metadataValue: metadataComparison(with: value, of: .value)
        case .eventID: eventComparison(with: value)
        default: columnComparison(with: value)
        }
    }

    /// Most rows are their own event; those that are not have an index.
    private func eventComparison(with value: Value) -> PostgresFragment {
        guard operation == .equal, case .text(let text) = value else { return columnComparison(with: value) }
        var sql = PostgresFragment("(l.id = ")
        sql.append(value: .text(text))
        sql.append(" AND l.event_id = ")
        sql.append(value: .text(text))
        sql.append(" OR l.event_id = ")
        sql.append(value: .text(text))
        sql.append(" AND l.event_id <> l.id)")
        return sql
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
            PostgresFragment("coalesce(l.tokens_in + l.tokens_out, l.tokens_in, l.tokens_out)")
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
        if key == .feedback, operation == .equal || operation == .notEqual, value.isNone {
            return PostgresFragment("(l.feedback IS NULL OR l.feedback = 0)")
        }
        var sql = PostgresFragment("(")
        sql.append(column)
        sql.append(")")
        if operation == .contains {
            if value == .unset { return PostgresFragment("false") }
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
        case .instant(let instant): return compare(column, with: instant)
        }
        return sql
    }

    /// An instant stands for all of its millisecond, when it is told to the millisecond.
    private func compare(_ column: PostgresFragment, with instant: Instant) -> PostgresFragment {
        let end = Instant(microseconds: LogSpan.end(of: instant.microseconds))
        let bounds: [(StaticString, Instant)] =
            switch operation {
            case .equal, .notEqual, .contains: [(" >= ", instant), (" < ", end)]
            case .less: [(" < ", instant)]
            case .greater: [(" >= ", end)]
            case .atLeast: [(" >= ", instant)]
            case .atMost: [(" < ", end)]
            }
        var sql = PostgresFragment("(")
        for (place, bound) in bounds.enumerated() {
            if place > 0 { sql.append(" AND ") }
            sql.append(column)
            sql.append(bound.0)
            sql.append(value: .instant(bound.1))
        }
        sql.append(")")
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

    /// Tests the keys or the values of the metadata, which is a flat object.
    ///
    /// `eq` is told to `jsonb` itself, which is thirty times as fast as taking every object apart.
    private func metadataComparison(with value: Value, of item: MetadataPart) -> PostgresFragment {
        if value == .unset {
            switch operation {
            case .equal, .notEqual: return PostgresFragment("(l.metadata IS NULL OR l.metadata = '{}'::jsonb)")
            default: return PostgresFragment("false")
            }
        }
        let text = value.searchText
        switch (operation, item) {
        case (.equal, .key), (.notEqual, .key):
            var sql = PostgresFragment("(l.metadata ? ")
            sql.append(value: .text(text))
            sql.append(")")
            return sql
        case (.equal, .value), (.notEqual, .value):
            var sql = PostgresFragment("jsonb_path_exists(l.metadata, '$.* ? (@ == $text || @ == $other)', ")
            sql.append("jsonb_build_object('text', ")
            sql.append(value: .text(text))
            sql.append(", 'other', ")
            sql.append(value: Self.literal(text))
            sql.append("))")
            return sql
        default: break
        }
        var sql = PostgresFragment("EXISTS (SELECT FROM jsonb_each_text(")
        sql.append("CASE WHEN jsonb_typeof(l.metadata) = 'object' THEN l.metadata END) AS item(key, value) WHERE ")
        sql.append(item == .key ? "item.key" : "item.value")
        if operation == .contains {
            sql.append(" ILIKE ")
            sql.append(value: .text(Self.pattern(for: text)))
        } else {
            compare(&sql, .text(text))
        }
        sql.append(")")
        return sql
    }

    private enum MetadataPart { case key, value }

    /// The number or boolean that a text may also stand for, else the text itself.
    private static func literal(_ text: String) -> PostgresValue {
        switch text {
        case "true": .bool(true)
        case "false": .bool(false)
        default: isNumber(text) ? .numeric(text) : .text(text)
        }
    }

    /// Whether a text is a number in JSON's notation, of a size that compares quickly.
    private static func isNumber(_ text: String) -> Bool {
        guard text.utf8.count <= 32, let value = Double(text), value.isFinite else { return false }
        return text.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2e || $0 == 0x2d }
            && text.utf8.last != 0x2e && text.utf8.first != 0x2e
    }
}

extension LogCondition.Value {
    /// Whether it is null, or the zero that stands for no thumb.
    fileprivate var isNone: Bool {
        switch self {
        case .unset: true
        case .number(let literal): Double(literal) == 0
        case .text, .bool, .instant: false
        }
    }

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
