import ControlPlane
import GatewayCore
import Logging
import PostgresStore
import Settings

/// What a control process does in the background for the logs that it keeps.
extension ControlRole {
    /// Starts the work whose statements may take minutes.
    ///
    /// No child tasks, because nobody waits for their end: the server undoes a statement whose client is gone, and what
    /// was to be done is still in the database.
    func startChores() -> [Task<Void, Never>] {
        let logger = logger
        let housekeeping = LogHousekeeping(patientPool, rowLimit: settings.limits.logRowsPerGateway) { event in
            switch event {
            case .waiting(let problem): logger.warning("logs wait for their deletion", reason: problem)
            case .unreadableDeletion(let id):
                logger.error("a deletion of logs cannot be read and was given up", reason: "number \(id)")
            case .postponedDeletion(let id, let reason):
                logger.warning("a deletion of logs failed and is tried again later", reason: "number \(id): \(reason)")
            }
        }
        let evaluations = EvaluationRunner(patientPool) { event in
            switch event {
            case .waiting(let problem): logger.warning("evaluations wait for the database", reason: problem)
            case .failed(let id, let reason): logger.error("an evaluation failed", reason: "\(id): \(reason)")
            case .postponed(let id, let reason):
                logger.warning("an evaluation failed and is tried again later", reason: "\(id): \(reason)")
            }
        }
        let usage = UsageKeeper(patientPool) { problem in
            logger.warning("old roll-ups could not be removed", reason: problem)
        }
        let counts = LogCountKeeper(patientPool) { problem in
            logger.warning("logs could not be counted anew", reason: problem)
        }
        return [
            Task { await housekeeping.run() }, Task { await evaluations.run() }, Task { await usage.run() },
            Task { await counts.run() },
        ]
    }
}
