package import GatewayCore

/// What was measured once over the logs that some datasets select (control-plane.md §5.2).
package struct Evaluation: Sendable, Equatable {
    package var id: String
    package var account: AccountID
    package var gateway: GatewayID
    package var name: String
    package var isProcessed: Bool
    package var totalLogs: Int
    /// The datasets as they were, an array of the API's objects as JSON text.
    package var datasets: String
    package var results: [EvaluationResult]
    package var createdAt: Instant
    package var modifiedAt: Instant
}

/// One measure of an evaluation.
package struct EvaluationResult: Sendable, Equatable {
    package var id: String
    package var evaluation: String
    package var type: String
    package var finding: EvaluationFinding
    package var createdAt: Instant
    package var modifiedAt: Instant
}

/// What came of a measure.
///
/// - Source: control-plane §5.2 · the numbers of `status` are assumed.
package struct EvaluationFinding: Sendable, Equatable {
    package enum Status: Int, Sendable { case pending = 0, running, completed, failed }

    /// A number as text; empty when there is none.
    package var result: String
    package var status: Status
    package var description: String
    /// Logs that had what was measured.
    package var totalLogs: Int

    package init(result: String, status: Status, description: String, totalLogs: Int) {
        self.result = result
        self.status = status
        self.description = description
        self.totalLogs = totalLogs
    }
}

/// Something that can be measured over logs (control-plane.md §5.3).
package struct EvaluationType: Sendable, Equatable {
    package var id: String
    package var name: String
    /// `cost`, `speed`, `human_feedback`, or what an operator added.
    package var kind: String
    package var description: String
    package var isEnabled: Bool
    package var isMandatory: Bool
    package var createdAt: Instant
    package var modifiedAt: Instant
}

/// Averages over a selection of logs; each leaves out the logs that lack its field.
package struct LogMeasures: Sendable, Equatable {
    package var logs: Int
    /// Logs with a cost, and their average in US dollars as decimal text.
    package var priced: Int
    package var averageCost: String?
    /// Milliseconds as decimal text.
    package var averageDuration: String?
    /// Logs with a thumb up or down, and the share of those up, from 0 to 1, as decimal text.
    package var rated: Int
    package var approval: String?

    package init(
        logs: Int, priced: Int = 0, averageCost: String? = nil, averageDuration: String? = nil, rated: Int = 0,
        approval: String? = nil
    ) {
        self.logs = logs
        self.priced = priced
        self.averageCost = averageCost
        self.averageDuration = averageDuration
        self.rated = rated
        self.approval = approval
    }
}

extension Evaluation {
    init(_ row: PostgresRow, results: [EvaluationResult]) throws(PostgresError) {
        self.init(
            id: try row.text("id"), account: AccountID(try row.text("account_id")),
            gateway: GatewayID(try row.text("gateway_id")), name: try row.text("name"),
            isProcessed: try row.bool("processed"), totalLogs: try row.int("total_logs"),
            datasets: try row.text("datasets"), results: results, createdAt: try row.instant("created_at"),
            modifiedAt: try row.instant("modified_at")
        )
    }
}

extension EvaluationResult {
    init(_ row: PostgresRow) throws(PostgresError) {
        self.init(
            id: try row.text("id"), evaluation: try row.text("evaluation_id"),
            type: try row.text("evaluation_type_id"),
            finding: EvaluationFinding(
                result: try row.text("result"),
                status: EvaluationFinding.Status(rawValue: try row.int("status")) ?? .failed,
                description: try row.text("status_description"), totalLogs: try row.int("total_logs")
            ),
            createdAt: try row.instant("created_at"), modifiedAt: try row.instant("modified_at")
        )
    }
}

extension EvaluationType {
    init(_ row: PostgresRow) throws(PostgresError) {
        self.init(
            id: try row.text("id"), name: try row.text("name"), kind: try row.text("type"),
            description: try row.text("description"), isEnabled: try row.bool("enable"),
            isMandatory: try row.bool("mandatory"), createdAt: try row.instant("created_at"),
            modifiedAt: try row.instant("modified_at")
        )
    }
}
