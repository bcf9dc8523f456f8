package import PostgresStore

/// Carries out the evaluations that were asked for, one at a time; every node may run it.
///
/// - Source: control-plane §5.2, §5.3 · measures documented; a share from 0 to 1 is assumed.
package struct EvaluationRunner: Sendable {
    /// What somebody may have to look at.
    package enum Event: Sendable, Equatable {
        /// Repeated until it works; told once per outage.
        case waiting(problem: String)
        /// An evaluation was finished as failed.
        case failed(id: String, reason: String)
        /// An evaluation failed and is tried again later, less and less often.
        case postponed(id: String, reason: String)
    }

    private let queue: EvaluationQueue
    private let report: @Sendable (Event) -> Void

    /// - Parameters:
    ///   - pool: its statements may take as long as reading a whole log does.
    ///   - report: for the process log.
    package init(_ pool: PostgresPool, report: @escaping @Sendable (Event) -> Void) {
        queue = EvaluationQueue(pool)
        self.report = report
    }

    /// Works until the task is cancelled.
    package func run() async {
        let work = BackgroundWork(pause: .milliseconds(500)) { [report] in report(.waiting(problem: $0)) }
        await work.run(step)
    }

    /// Carries out one evaluation; false when none waits.
    package func step() async throws -> Bool {
        switch try await queue.step(read: Self.conditions, judge: Self.judge) {
        case .idle: return false
        case .done: return true
        case .failed(let id, let reason): report(.failed(id: id, reason: reason))
        case .postponed(let id, let reason): report(.postponed(id: id, reason: reason))
        }
        return true
    }

    private static func conditions(_ datasets: String) -> [[LogCondition]] {
        let documents = (try? JSONValue(parsing: datasets))?.elements ?? []
        return documents.map { DatasetDraft.conditions($0["filters"] ?? .null) }
    }

    private static func judge(_ kind: String, _ measures: LogMeasures) -> EvaluationFinding {
        switch kind {
        case "cost": finding(measures.averageCost, over: measures.priced, "no log has a cost")
        case "speed": finding(measures.averageDuration, over: measures.logs, "there are no logs")
        case "human_feedback": finding(measures.approval, over: measures.rated, "no log was rated")
        default:
            EvaluationFinding(result: "", status: .failed, description: "unknown evaluation type", totalLogs: 0)
        }
    }

    private static func finding(_ result: String?, over logs: Int, _ otherwise: String) -> EvaluationFinding {
        EvaluationFinding(
            result: result ?? "", status: .completed, description: result == nil ? otherwise : "completed",
            totalLogs: logs
        )
    }
}
